"""Checkpoints: written ones can be read, damaged ones are detected, chosen ones are kept."""

import json
import os
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.errors import UserError
from vaegan.training import checkpoint
from vaegan.training.checkpoint import (
    FORMAT,
    Best,
    Checkpoints,
    DamagedCheckpoint,
    Progress,
    last_checkpoint,
    newest,
    read,
    write,
)
from vaegan.training.meters import Meter
from vaegan.training.optim import PlayerOptimiser

FACTS = {"format": FORMAT, "config": {"lr": 0.001, "text": 'ä"\n'}, "progress": {"epoch": 1, "step": 7}}
TENSORS = {
    "weights": torch.arange(6.0).reshape(2, 3),
    "optim/gen/0/step": torch.tensor(3.0),
    "counts": torch.tensor([2**40, -1]),
}


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.equal(b)


# one file


def test_tensors_of_every_kind_and_facts_are_read_as_they_were_written(tmp_path):
    tensors = TENSORS | {
        "channels-last": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "turned": torch.arange(6).reshape(2, 3).T,
        "half": torch.randn(3).bfloat16(),
        "flags": torch.tensor([True, False]),
        "bytes": torch.arange(256).byte(),
        "none": torch.empty(0, 4),
        "strange": torch.tensor([float("nan"), float("inf"), -0.0]),
        "one": torch.nn.Parameter(torch.randn(2)),
    }
    write(tmp_path / "file", tensors, FACTS)
    found, facts = read(tmp_path / "file")
    assert facts == FACTS
    assert found.keys() == tensors.keys()
    strange = found.pop("strange")
    assert strange.view(torch.int32).equal(tensors["strange"].view(torch.int32))
    assert all(same(value, tensors[name].detach()) for name, value in found.items())


def test_it_can_be_read_without_vaegan(tmp_path):
    write(tmp_path / "file", TENSORS, FACTS)
    with safe_open(tmp_path / "file", framework="np") as file:
        assert json.loads(file.metadata()["facts"]) == FACTS
        assert file.get_tensor("weights").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.fixture
def content(tmp_path):
    """A small checkpoint's bytes; it is `tmp_path / "file"`."""
    write(tmp_path / "file", TENSORS, FACTS)
    return (tmp_path / "file").read_bytes()


def test_every_flipped_bit_is_noticed(content, tmp_path):
    path = tmp_path / "file"
    harmless = []
    with path.open("r+b") as file:
        for place, byte in enumerate(content):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), place)
                try:
                    tensors, facts = read(path)
                except DamagedCheckpoint:
                    continue
                assert facts == FACTS and tensors.keys() == TENSORS.keys()
                assert all(same(value, TENSORS[name]) for name, value in tensors.items())
                harmless.append((place, bit))
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert harmless == []
    assert read(path)[1] == FACTS


def test_every_length_but_its_own_is_noticed(content, tmp_path):
    for length in range(len(content)):
        (tmp_path / "file").write_bytes(content[:length])
        with pytest.raises(DamagedCheckpoint, match=r"^not a checkpoint, or cut short \("):
            read(tmp_path / "file")
    (tmp_path / "file").write_bytes(content + b"\0")
    with pytest.raises(DamagedCheckpoint):
        read(tmp_path / "file")


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": TENSORS["weights"] + 1e-6},
        {"weights": TENSORS["weights"].int()},
        {"weights": TENSORS["weights"].T.contiguous()},
        {"more": torch.zeros(1)},
    ],
)
def test_other_tensors_under_the_same_digest_are_noticed(changed, content, tmp_path):
    with safe_open(tmp_path / "file", framework="pt") as file:
        metadata = file.metadata()
    save_file(TENSORS | changed, tmp_path / "file", metadata)
    with pytest.raises(DamagedCheckpoint, match=r"^its content has changed since it was written$"):
        read(tmp_path / "file")


def test_other_facts_and_other_names_under_the_same_digest_are_noticed(content, tmp_path):
    with safe_open(tmp_path / "file", framework="pt") as file:
        metadata = file.metadata()
    renamed = {name.replace("weights", "weight"): value for name, value in TENSORS.items()}
    facts = metadata["facts"].replace("0.001", "0.002")
    for tensors, metadata_now in ((renamed, metadata), (TENSORS, metadata | {"facts": facts})):
        save_file(tensors, tmp_path / "file", metadata_now)
        with pytest.raises(DamagedCheckpoint, match=r"^its content has changed since it was written$"):
            read(tmp_path / "file")


def test_a_safetensors_file_of_another_program_is_no_checkpoint(tmp_path):
    for metadata in (None, {"format": "pt"}, {"facts": "{}"}):
        save_file(TENSORS, tmp_path / "file", metadata)
        with pytest.raises(DamagedCheckpoint, match="not a checkpoint"):
            read(tmp_path / "file")


def test_a_folder_and_a_file_that_is_not_there_are_no_checkpoints(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(OSError) as caught:
            read(path)
        assert caught.value.filename == str(path)


@pytest.mark.parametrize("version", [2, 0, None, "1"])
def test_another_format_is_refused_with_its_number(version, tmp_path):
    write(tmp_path / "file", TENSORS, FACTS | {"format": version})
    with pytest.raises(UserError, match=f"file: of format {version}; this version reads format 1$"):
        read(tmp_path / "file")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_a_pickle_is_not_executed(tmp_path):
    sprung = tmp_path / "sprung"
    for i, save in enumerate((lambda trap, path: path.write_bytes(pickle.dumps(trap)), torch.save)):
        path = tmp_path / f"step-0000000{i}.safetensors"
        save(Trap(str(sprung)), path)
        with pytest.raises(DamagedCheckpoint):
            read(path)
    with pytest.raises(UserError, match="there is no other one"):
        newest(tmp_path)
    assert not sprung.exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(content, tmp_path, monkeypatch):
    def fail(path, written):
        path.open("wb").write(written[:10])
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", fail)
        with pytest.raises(OSError, match="no room"):
            write(tmp_path / "file", {}, FACTS)
    assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# which one a run goes on from


def put(folder, name, step=0):
    write(folder / name, {}, {"format": FORMAT, "progress": {"epoch": 0, "step": step}})
    return folder / name


def test_the_newest_is_that_of_the_most_steps_also_when_its_name_is_longer(tmp_path):
    assert newest(tmp_path) is None and last_checkpoint(tmp_path) is None
    put(tmp_path, "step-99999999.safetensors", 99_999_999)
    put(tmp_path, "step-100000000.safetensors", 100_000_000)
    put(tmp_path, "epoch-0900.safetensors", 1)
    put(tmp_path, "best.safetensors", 2)
    for name in ("step-200000000.damaged", ".step-200000000.safetensors.123", "step-x.safetensors"):
        (tmp_path / name).write_bytes(b"")
    found = newest(tmp_path)
    assert found.step == 100_000_000 and found.damaged == {}
    assert last_checkpoint(tmp_path) == found.path


def test_damaged_ones_are_passed_over_and_named_until_the_kept_ones(tmp_path):
    order = ["step-00000009", "step-00000006", "epoch-0002", "epoch-0001", "best"]
    paths = [put(tmp_path, f"{name}.safetensors", step) for step, name in enumerate(order)]
    for age, path in enumerate(paths):
        os.utime(path, (0, 1000 - age))
    for i, path in enumerate(paths):
        found = newest(tmp_path)
        assert (found.path, found.step, list(found.damaged)) == (path, i, paths[:i])
        path.write_bytes(path.read_bytes()[:-1])
        os.utime(path, (0, 1000 - i))
    with pytest.raises(UserError, match="there is no other one that could be read") as caught:
        newest(tmp_path)
    assert str(caught.value).startswith(f"{paths[0]}: ")


# the best


def test_the_least_or_the_greatest_is_the_best():
    assert Best.parse("test/gen/pbp") == Best("test/gen/pbp", greatest=False)
    assert Best.parse("test/gen/diversity:max") == Best("test/gen/diversity", greatest=True)


@pytest.mark.parametrize(
    ("values", "least", "greatest"),
    [
        ([3], True, True),
        ([3, 2], True, False),
        ([3, 4], False, True),
        ([3, 2, 3], False, False),
        ([2, 2], False, False),  # the first of equals stays
        ([None, 2], True, True),  # an epoch without it, as one alone without a discriminator
        ([2, None], False, False),
        ([None, None], False, False),
    ],
)
def test_an_epoch_is_the_best_when_all_before_it_are_worse(values, least, greatest):
    records = [{} if value is None else {"key": value} for value in values]
    assert Best("key").is_last(records) == least
    assert Best("key", greatest=True).is_last(records) == greatest


# saving and putting back

CONV = {
    "vae": "conv",
    "base_channels": 4,
    "disc": "conv",
    "disc_base_channels": 4,
    "spectral_norm": True,
    "ema": 0.5,
    "pbp": "gaussian",
    "lr": 0.1,
}


def prepared(**options):
    """A config, players in the layout that they train in, and their optimisers."""
    config = resolved(make_config(CONV | options), 16)
    players = build_players(config, (1, 16, 16)).to(memory_format=torch.channels_last)
    optims = {player: PlayerOptimiser(players, player, config.lr.value) for player in ("gen", "disc")}
    return config, players, optims


def play(players, optims, seed):
    """A step of both players on noise."""
    x = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    mu, logvar = players.encode(x)
    x_hat = players.pixels(players.decode(mu))
    optims["gen"].minimise([(x_hat - x).square().sum() + logvar.square().sum() + players.pbp.log_sigma**2])
    optims["disc"].minimise([(players.discriminate(x) - players.discriminate(1 - x)).mean()])
    players.average(seed + 1)


def test_players_and_optimisers_are_put_back_and_go_on_to_the_last_bit(tmp_path):
    config, players, optims = prepared()
    for seed in range(3):
        play(players, optims, seed)
    Checkpoints(tmp_path, config, {}).save(Progress(step=3), players, optims)
    _, others, their_optims = prepared(seed=1)
    Checkpoints(tmp_path, config, {}, newest(tmp_path)).restore(others, their_optims, [])
    for seed in (3, 4):
        for name, value in players.state_dict().items():
            assert same(value, others.state_dict()[name]), name
        for player, optim in optims.items():
            state, their_state = optim.state(), their_optims[player].state()
            assert state.keys() == their_state.keys() != set()
            for name, value in state.items():
                assert same(value, their_state[name]), name
                assert value.stride() == their_state[name].stride(), name
        play(players, optims, seed)
        play(others, their_optims, seed)


def test_a_fused_optimisers_state_is_put_back_in_its_parameters_layout(tmp_path):
    config, players, optims = prepared()
    play(players, optims, 0)
    Checkpoints(tmp_path, config, {}).save(Progress(step=1), players, optims)
    _, others, their_optims = prepared()
    Checkpoints(tmp_path, config, {}, newest(tmp_path)).restore(others, their_optims, [])
    adam = their_optims["gen"].adam
    assert adam.param_groups[0]["fused"]
    weights = [p for p in their_optims["gen"].parameters if p.dim() == 4 and min(p.shape[1:3]) > 1]
    assert any(not p.is_contiguous() for p in weights)
    for parameter in weights:
        assert adam.state[parameter]["exp_avg"].stride() == parameter.stride()


def test_where_a_run_stood_is_put_back(tmp_path):
    config, players, optims = prepared()
    meter = Meter()
    meter.add("gen", {"pbp": torch.tensor(0.1), "kl": torch.tensor(2.0)}, 3)
    meter.add("gen", {"pbp": torch.tensor(0.7)}, 1)
    progress = Progress(epoch=2, batch=5, step=25, seconds=1.5, floor=0.25, meter=meter)
    Checkpoints(tmp_path, config, {"training images": 9}).save(progress, players, optims)
    found = newest(tmp_path)
    assert (found.epochs, found.step) == (2, 25)
    assert found.facts["format"] == 1
    assert found.facts["config"] == config.to_dict()
    assert found.facts["data"] == {"training images": 9}
    records = [{"epoch": 0}, {"epoch": 1}]
    back = Checkpoints(tmp_path, config, {}, found).restore(players, optims, records)
    assert (back.epoch, back.batch, back.step, back.seconds, back.floor) == (2, 5, 25, 1.5, 0.25)
    assert back.records == records
    assert list(back.meter.means().items()) == list(meter.means().items())
    for each in (meter, back.meter):
        each.add("gen", {"kl": torch.tensor(1 / 3)}, 7)
    assert back.meter.means() == meter.means()


def test_without_a_checkpoint_a_run_begins_at_its_start(tmp_path):
    config, players, optims = prepared()
    before = {name: value.clone() for name, value in players.state_dict().items()}
    progress = Checkpoints(tmp_path, config, {}).restore(players, optims, [])
    assert (progress.epoch, progress.batch, progress.step, progress.records) == (0, 0, 0, [])
    assert progress.meter.means() == {}
    assert all(value.equal(before[name]) for name, value in players.state_dict().items())


def test_damaged_ones_are_put_aside_when_a_run_goes_on(tmp_path):
    config, players, optims = prepared()
    checkpoints = Checkpoints(tmp_path, config, {})
    for step in (1, 2):
        checkpoints.save(Progress(step=step), players, optims)
    last_checkpoint(tmp_path).write_bytes(b"cut")
    Checkpoints(tmp_path, config, {}, newest(tmp_path)).restore(players, optims, [])
    assert (tmp_path / "step-00000002.damaged").read_bytes() == b"cut"
    assert last_checkpoint(tmp_path).name == "step-00000001.safetensors"


def names(folder):
    return sorted(path.name.removesuffix(".safetensors") for path in folder.iterdir())


def test_the_last_two_are_kept_and_those_asked_for(tmp_path):
    config, players, optims = prepared(keep_epochs=[1, 3], keep_best="test/gen/pbp")
    checkpoints = Checkpoints(tmp_path, config, {})
    records = []
    kept = []
    for epoch, value in enumerate([3.0, 1.0, 2.0, 2.5]):
        checkpoints.save(Progress(epoch, 1, 2 * epoch + 1, records=records), players, optims)
        records = [*records, {"test/gen/pbp": value}]
        checkpoints.save(Progress(epoch + 1, 0, 2 * epoch + 2, records=records), players, optims)
        best = read(tmp_path / "best.safetensors")[1]["progress"]["epoch"]
        kept.append((best, [name for name in names(tmp_path) if name != "best"]))
    steps = [f"step-{n:08}" for n in range(9)]
    assert kept == [
        (1, ["epoch-0001", *steps[1:3]]),
        (2, ["epoch-0001", *steps[3:5]]),
        (2, ["epoch-0001", "epoch-0003", *steps[5:7]]),
        (2, ["epoch-0001", "epoch-0003", *steps[7:9]]),
    ]
    assert read(tmp_path / "epoch-0003.safetensors")[1]["progress"]["step"] == 6


def test_the_last_two_stay_until_the_next_is_whole_and_the_one_to_go_on_from_comes_last(
    tmp_path, monkeypatch
):
    config, players, optims = prepared(keep_epochs=[1], keep_best="test/gen/pbp")
    checkpoints = Checkpoints(tmp_path, config, {})
    for step in (1, 2):
        checkpoints.save(Progress(0, step, step), players, optims)
    seen = []
    replace = os.replace

    def watched(source, target):
        replace(source, target)
        seen.append(names(tmp_path))

    monkeypatch.setattr(os, "replace", watched)
    checkpoints.save(Progress(1, 0, 3, records=[{"test/gen/pbp": 1.0}]), players, optims)
    before = ["step-00000001", "step-00000002"]
    assert seen == [
        ["epoch-0001", *before],
        ["best", "epoch-0001", *before],
        ["best", "epoch-0001", *before, "step-00000003"],
    ]
    assert names(tmp_path) == ["best", "epoch-0001", "step-00000002", "step-00000003"]


def weighted(pbp, kl, adv=None, weights=(1.0, 1.0, 0.0)):
    """An epoch's record with these terms, under these weights."""
    terms = {"pbp": pbp, "kl": kl} | ({} if adv is None else {"adv": adv})
    by_term = dict(zip(("pbp", "kl", "adv"), weights, strict=True))
    record = {f"test/gen/{term}": value for term, value in terms.items()}
    record |= {f"test/gen/{term}_weighted": by_term[term] * value for term, value in terms.items()}
    record["test/gen/total"] = sum(by_term[term] * value for term, value in terms.items())
    return record | {f"weight/gen/{term}": weight for term, weight in by_term.items()}


SOLO_THEN_COMBO = [
    weighted(100, 10),
    weighted(90, 10),
    *(weighted(pbp, 10, adv, (1.0, 1.0, 10.0)) for pbp, adv in ((95, 1), (85, 3), (92, 0.9))),
    weighted(84, 10, 0.1, (1.0, 1.0, 0.0)),  # the gate is closed
    weighted(94, 10, 0.5, (1.0, 1.0, 10.0)),
    weighted(93, 10, 2, (0.5, 1.0, 10.0)),  # the PBP weight decays
    weighted(92, 10, 2.5, (0.5, 1.0, 10.0)),
]


@pytest.mark.parametrize(
    ("key", "bests"),
    [
        ("test/gen/total", [0, 1, 2, 4, 6, 7]),
        ("test/gen/pbp", [0, 1, 3, 5]),
        ("test/gen/pbp_weighted", [0, 1, 3, 5, 7, 8]),
        ("test/gen/adv_weighted:max", [2, 3]),
        ("test/gen/kl", [0]),
        ("test/gen/diversity:max", []),
    ],
)
def test_the_best_is_the_best_of_the_epochs_whose_values_mean_the_same(key, bests):
    best = Best.parse(key)
    found = [n for n in range(len(SOLO_THEN_COMBO)) if best.is_last(SOLO_THEN_COMBO[: n + 1])]
    assert found == bests


def test_within_an_epoch_it_is_time_after_so_many_steps_since_the_last(tmp_path):
    config, players, optims = prepared(save_every=3)
    checkpoints = Checkpoints(tmp_path, config, {})
    assert [checkpoints.is_due(step) for step in (1, 2, 3, 4)] == [False, False, True, True]
    checkpoints.save(Progress(0, 4, 4), players, optims)
    assert [checkpoints.is_due(step) for step in (4, 6, 7)] == [False, False, True]
    again = Checkpoints(tmp_path, config, {}, newest(tmp_path))
    assert [again.is_due(step) for step in (6, 7)] == [False, True]


def test_within_an_epoch_it_is_time_after_so_many_minutes_since_the_last(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    config, players, optims = prepared(save_every="2min")
    checkpoints = Checkpoints(tmp_path, config, {})
    now += 119
    assert not checkpoints.is_due(10**6)
    now += 1
    assert checkpoints.is_due(1)
    checkpoints.save(Progress(0, 1, 1), players, optims)
    assert not checkpoints.is_due(2)
    now += 120
    assert checkpoints.is_due(2)
