"""TensorBoard's files, read back with its own reader."""

import io
import json

import pytest
from PIL import Image

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter
from tiny_runs import DENSE

from vaegan.trackers.open import open_trackers


def read(folder) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return accumulator.Reload()


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of all scalars by their key."""
    found = read(folder)
    return {key: [(e.step, e.value) for e in found.Scalars(key)] for key in found.Tags()["scalars"]}


def text(folder, key) -> list[tuple[int, str]]:
    tensors = read(folder).Tensors(key)
    return [(each.step, each.tensor_proto.string_val[0].decode()) for each in tensors]


def tracked(folder, said, records, *, epochs=None, colours=("red",) * 9, **others):
    """Track these epochs, a picture drawn in each; returns the folder of TensorBoard's files."""
    (folder / "figures").mkdir(exist_ok=True)
    with open_trackers(["tensorboard"], folder, {"vae": "conv"}, said, epochs=epochs, **others) as trackers:
        for record, colour in zip(records, colours, strict=False):
            Image.new("RGB", (20, 10), colour).save(folder / "figures" / "samples.png")
            trackers.on_epoch(record, None)
    return folder / "tensorboard"


def record(epoch: int, value: float) -> dict:
    return {"epoch": epoch, "phase": "solo", "test/gen/pbp": value, "memory/peak_mib": None}


def test_epochs_are_scalars_and_pictures_are_the_files(tmp_path):
    place = tracked(tmp_path, print, [record(0, 2.5), record(1, 1.5)], epochs=0, colours=("red", "blue"))
    assert scalars(place) == {"test/gen/pbp": [(0, 2.5), (1, 1.5)]}
    pictures = read(place).Images("figures/samples")
    assert [(each.step, each.width, each.height) for each in pictures] == [(0, 20, 10), (1, 20, 10)]
    shown = [Image.open(io.BytesIO(each.encoded_image_string)).getpixel((0, 0)) for each in pictures]
    assert shown == [(255, 0, 0), (0, 0, 255)]
    assert [step for step, _ in text(place, "options")] == [0]
    assert '"vae": "conv"' in text(place, "options")[0][1]


def test_epochs_that_are_made_again_are_there_once(tmp_path):
    tracked(tmp_path, print, [record(0, 3.0), record(1, 2.5), record(2, 2.25)], epochs=0)
    # killed, and its last checkpoint was that of the first epoch
    place = tracked(tmp_path, print, [record(1, 2.0), record(2, 1.0)], epochs=1)
    assert scalars(place) == {"test/gen/pbp": [(0, 3.0), (1, 2.0), (2, 1.0)]}
    assert [each.step for each in read(place).Images("figures/samples")] == [0, 1, 2]


def test_a_later_evaluation_hides_no_epoch(tmp_path):
    place = tracked(tmp_path, print, [record(0, 3.0), record(1, 2.0)], epochs=0)
    with open_trackers(["tensorboard"], tmp_path, {}, print) as trackers:
        trackers.on_evaluation(0, {"eval/reconstruction/psnr": 20.5}, tmp_path / "report.html")
    assert scalars(place) == {
        "test/gen/pbp": [(0, 3.0), (1, 2.0)],
        "eval/reconstruction/psnr": [(0, 20.5)],
    }


def test_a_table_is_text(tmp_path):
    for value in (1.0, 20.51234):
        with open_trackers(["tensorboard"], tmp_path, {}, print, ablation="weights") as trackers:
            trackers.on_table(["arm", "PSNR"], [["a|b", value], ["two", None]], tmp_path / "report.html")
    *_, (step, table) = text(tmp_path / "tensorboard", "table")  # the latest is what is shown
    assert (step, table) == (0, "| arm | PSNR |\n| --- | --- |\n| a\\|b | 20.51 |\n| two |  |")


def test_a_full_disk_costs_one_line(tmp_path, capfd):
    said = []
    with (
        open("/dev/full", "wb", buffering=0) as full,
        open_trackers(["tensorboard"], tmp_path, {}, said.append) as trackers,
    ):
        trackers._opened["tensorboard"]._file = RecordWriter(full)
        for epoch in range(3):
            trackers.on_epoch(record(epoch, 1.0))
    assert said[1:] == ["tensorboard: tracking has ended (No space left on device)"]
    assert capfd.readouterr().err == ""


def test_the_program_writes_the_keys_and_values_of_its_metrics(command, tmp_path):
    """Beside another tracker, over a resumed run: each number of metrics.jsonl at its epoch, once."""
    flags = f"{DENSE} --train-images 300 --run-name r --tracker tensorboard,wandb"
    status, output, errors = command(flags)
    folder = tmp_path / "runs" / "r"
    assert (status, errors) == (0, "")
    assert f"--logdir {folder / 'tensorboard'}" in output
    assert command(f"--resume {folder} --epochs 2")[0] == 0
    written = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    expected = {
        key: [(each["epoch"], pytest.approx(each[key])) for each in written]
        for key, value in written[0].items()
        if isinstance(value, int | float) and key != "epoch"
    }
    assert len(written) == 2
    assert scalars(folder / "tensorboard") == expected
    drawn = {f"figures/{path.stem}" for path in (folder / "figures").glob("*.png")}
    assert set(read(folder / "tensorboard").Tags()["images"]) == drawn
