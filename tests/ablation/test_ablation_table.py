"""The table: means over seeds, paired differences, the best entries, and the remarks."""

from pathlib import Path

import pytest

from vaegan.ablation.formats import csv, differing, latex, markdown, measured
from vaegan.ablation.table import ArmRuns, as_rows, figures_of, make_table
from vaegan.run.reading import RunFiles

PSNR, SHARPNESS, MSE = "reconstruction/psnr", "reconstruction/sharpness", "reconstruction/mse"
FRECHET = "distances/samples/frechet"
MEANINGS = {
    "psnr": {"text": "PSNR of this run", "unit": "dB", "better": "higher"},
    "mse": {"text": "squared error", "unit": "", "better": "lower"},
    "samples/fid": {"text": "FID", "unit": "", "better": "lower"},
}
ENVIRONMENT = {"commit": "abc", "device_name": "cpu 1", "threads": 1}


def section(values, **protocol):
    meanings = {key: meaning for key, meaning in MEANINGS.items() if key in values}
    return {"protocol": {"images": "all", "seed": 0} | protocol, "values": values, "meanings": meanings}


def made(name="run", records=None, config=None, environment=None, sections=None, **values):
    """A run with these figures of its reconstructions."""
    return RunFiles(
        Path(name),
        {"dataset": "digits", "image_size": 16, "pbp": "bce", "split_seed": 0} | (config or {}),
        ENVIRONMENT | (environment or {}),
        records or [],
        {"sections": {"reconstruction": section(values)} | (sections or {})},
    )


def arm(label, *psnrs, first_seed=0, **options):
    return ArmRuns(label, {first_seed + i: made(psnr=value, **options) for i, value in enumerate(psnrs)})


def table_of(*arms, metrics=(PSNR,), baseline=None, given=True):
    return make_table("name", arms, metrics, baseline or arms[0].label, given)


def entries(table, key=PSNR):
    """The entries of a figure by arm."""
    (place,) = [i for i, column in enumerate(table.columns) if column.key == key]
    return {row.label: row.entries[place] for row in table.rows}


def bests(table, key=PSNR):
    return [label for label, entry in entries(table, key).items() if entry and entry.best]


def record(**values):
    base = {"phase": "solo", "time/epoch_s": 2.0, "time/test_s": 1.0, "time/images_per_s": 100.0}
    return base | {key.replace("__", "/"): value for key, value in values.items()}


def test_a_figure_is_its_mean_and_deviation_over_the_seeds():
    found = entries(table_of(arm("a", 20.0, 22.0, 27.0), arm("b", 21.5)))
    assert found["a"].values == {0: 20.0, 1: 22.0, 2: 27.0}
    assert (found["a"].mean, found["a"].deviation) == (23.0, pytest.approx(13**0.5))  # (9 + 1 + 16) / 2
    assert (found["b"].mean, found["b"].deviation) == (21.5, None)


def test_differences_are_those_of_runs_with_the_same_seed():
    """Seeds differ by much more than arms; of two differences, the interval is their range."""
    found = entries(table_of(arm("base", 10.0, 30.0, 99.0), arm("other", 11.0, 33.0)))
    assert (found["other"].difference, found["other"].low, found["other"].high) == (2.0, 1.0, 3.0)
    assert (found["base"].difference, found["base"].low, found["base"].high) == (None, None, None)


def test_a_single_shared_seed_has_a_difference_without_an_interval_and_none_shared_has_none():
    found = entries(table_of(arm("base", 10.0), arm("one", 8.0, 5.0), arm("none", 8.0, first_seed=1)))
    assert (found["one"].difference, found["one"].low, found["one"].high) == (-2.0, None, None)
    assert (found["none"].difference, found["none"].low, found["none"].high) == (None, None, None)
    assert found["none"].mean == 8.0


def test_the_baseline_may_stand_anywhere():
    found = entries(table_of(arm("a", 10.0), arm("b", 12.0), baseline="b"))
    assert (found["a"].difference, found["b"].difference) == (-2.0, None)


def test_the_best_mean_is_the_highest_or_the_lowest_by_what_the_figure_means():
    arms = [
        ArmRuns(label, {0: made(psnr=psnr, mse=mse, sharpness=psnr)})
        for label, psnr, mse in (("a", 20.0, 0.2), ("b", 25.0, 0.3), ("c", 25.0, 0.1))
    ]
    table = table_of(*arms, metrics=(PSNR, MSE, SHARPNESS))
    assert bests(table, PSNR) == ["b", "c"]
    assert bests(table, MSE) == ["c"]
    assert bests(table, SHARPNESS) == []  # neither way is better


def test_equal_means_and_a_single_arm_have_no_best():
    assert bests(table_of(arm("a", 10.0, 20.0), arm("b", 15.0))) == []
    assert bests(table_of(arm("a", 10.0, 20.0))) == []


def pair(one=None, other=None, sections=({}, {})):
    """Two arms that differ in how they were made, with figures in three sections and a record."""
    return [
        ArmRuns(
            label,
            {
                0: made(
                    label,
                    config=config,
                    sections=extra,
                    records=[record(test__gen__pbp=value, test__gen__pbp_excess=value)],
                    psnr=value,
                    pbp=value,
                    excess_bce=value,
                )
            },
        )
        for label, config, extra, value in (("a", one, sections[0], 1.0), ("b", other, sections[1], 2.0))
    ]


PBP_FIGURES = ("reconstruction/pbp", "test/gen/pbp", "test/gen/pbp_excess")


def test_arms_with_other_held_out_images_have_no_best():
    assert bests(table_of(*pair())) == ["b"]
    for option in ({"dataset": "cartoon"}, {"image_size": 32}, {"split_seed": 1}, {"crop": 9}):
        table = table_of(*pair(other=option), metrics=(PSNR, *PBP_FIGURES))
        assert [bests(table, key) for key in (PSNR, *PBP_FIGURES, "wall_s")] == [[]] * 5
        (said,) = table.remarks
        assert said == f"The runs do not share their held-out images: they differ in {next(iter(option))}."


def test_arms_with_another_pbp_loss_have_no_best_pbp_loss():
    same, other = table_of(*pair(), metrics=(PSNR, *PBP_FIGURES)), pair(other={"pbp": "mse"})
    assert [bests(same, key) for key in PBP_FIGURES] == [["a"]] * 3
    table = table_of(*other, metrics=(PSNR, *PBP_FIGURES))
    assert [bests(table, key) for key in PBP_FIGURES] == [[]] * 3
    assert bests(table) == ["b"]


def test_arms_with_pixels_of_another_range_have_no_best_loss_and_no_difference_in_it():
    """A density in [-1, 1] is less by log 2 a pixel than in [0, 1], a squared error four times as large."""

    def likelihoods(value):
        return {"likelihood": section({"iw_bound": value, "bits_per_dim": value})}

    arms = pair({"pixel_range": "01"}, {"pixel_range": "pm1"}, sections=(likelihoods(3.0), likelihoods(2.0)))
    keys = (PSNR, *PBP_FIGURES, "likelihood/iw_bound", "likelihood/bits_per_dim")
    table = table_of(*arms, metrics=keys)
    found = {key: (bests(table, key), entries(table, key)["b"].difference) for key in keys}
    assert found == {
        PSNR: (["b"], 1.0),
        **dict.fromkeys(PBP_FIGURES, ([], None)),
        "likelihood/iw_bound": ([], None),
        "likelihood/bits_per_dim": (["b"], -1.0),  # whose levels are of the range
    }
    (said,) = table.remarks
    assert said == (
        "PBP loss; PBP loss, held out; PBP loss above the images' own entropy, held out; -log p(x), "
        "at most: does not compare: other pixel_range. None is best, and there are no differences to arms "
        "with another."
    )
    assert entries(table, "likelihood/iw_bound")["b"].doubt == "does not compare: other pixel_range"


def test_differences_are_to_those_arms_in_which_a_figure_means_the_same():
    arms = [
        ArmRuns(label, {0: made(label, config={"pixel_range": pixels}, pbp=value)})
        for label, pixels, value in (("a", "01", 1.0), ("b", "pm1", 4.0), ("c", "01", 3.0))
    ]
    table = table_of(*arms, metrics=PBP_FIGURES[:1])
    found = entries(table, PBP_FIGURES[0])
    assert {label: entry.difference for label, entry in found.items()} == {"a": None, "b": None, "c": 2.0}
    assert {label: bool(entry.doubt) for label, entry in found.items()} == {"a": False, "b": True, "c": False}


@pytest.mark.parametrize("option", [{"dataset": "cartoon"}, {"split_seed": 1}])
def test_arms_with_other_held_out_images_have_no_differences(option):
    assert entries(table_of(*pair(other=option)))["b"].difference is None
    assert entries(table_of(*pair()))["b"].difference == 1.0


@pytest.mark.parametrize("where", [{"device_name": "gpu"}, {"threads": 2}])
def test_times_on_other_machines_have_no_best(where):
    """A commit may change no time, so that one is only said."""
    for environment, expected in ((where, []), ({"commit": "xyz"}, ["b"])):
        arms = [
            ArmRuns(label, {0: made(environment=each, records=[record(time__epoch_s=value)], psnr=1.0)})
            for label, each, value in (("a", {}, 2.0), ("b", environment, 1.0))
        ]
        table = table_of(*arms)
        assert bests(table, "wall_s") == expected
        assert len(table.remarks) == 1 and "may not compare" in table.remarks[0]


def test_a_figure_with_several_meanings_says_all_of_them():
    arms = pair({"pbp": "bce"}, {"pbp": "mse"})
    for each, unit in zip(arms, ("nats", "units"), strict=True):
        part = each.runs[0].evaluation["sections"]["reconstruction"]
        part["meanings"]["pbp"] = {"text": "the loss", "unit": unit, "better": "lower"}
    (column, *_) = table_of(*arms, metrics=PBP_FIGURES[:1]).columns
    assert (column.text, column.unit, column.better) == ("the loss", "nats or units", "")


def test_figures_that_were_not_taken_alike_have_no_best():
    def sections(*networks):
        return [
            {"distances": section({"samples/fid": value}, network=network)}
            for value, network in zip((3.0, 4.0), networks, strict=True)
        ]

    alike = table_of(*pair(sections=sections("inception", "inception")), metrics=(PSNR, FRECHET))
    assert (bests(alike, FRECHET), alike.remarks) == (["a"], [])
    table = table_of(*pair(sections=sections("inception", "our own")), metrics=(PSNR, FRECHET))
    assert (bests(table, FRECHET), bests(table)) == ([], ["b"])
    assert table.remarks == [
        "These figures do not compare, since they were not taken alike; network: inception (a, "
        "seed 0), our own (b, seed 0)."
    ]
    # no remark on figures that are not in the table
    assert table_of(*pair(sections=sections("inception", "our own")), metrics=(PSNR,)).remarks == []


def test_a_distance_goes_by_the_name_of_any_network():
    arms = [
        ArmRuns(label, {0: made(sections={"distances": section({f"samples/{name}": value})})})
        for label, name, value in (("a", "frechet", 9.0), ("b", "fid", 4.0))
    ]
    table = table_of(*arms, metrics=[FRECHET, "distances/samples/kernel"])
    assert {label: entry.mean for label, entry in entries(table, FRECHET).items()} == {"a": 9.0, "b": 4.0}
    assert bests(table, FRECHET) == ["b"]
    assert table.remarks == ["No run has distances/samples/kernel."]


def judged(label, value, own_judge=False):
    distances = section({"samples/fid": value}) | ({"own_judge": True} if own_judge else {})
    return ArmRuns(label, {0: made(psnr=20.0 + value, sections={"distances": distances})})


def test_an_arm_is_not_best_by_a_network_of_its_own_loss():
    arms = [judged("a", 3.0), judged("b", 1.0, own_judge=True), judged("c", 2.0)]
    table = table_of(*arms, metrics=[FRECHET, PSNR])
    assert bests(table, FRECHET) == ["c"] and bests(table) == ["a"]
    found = entries(table, FRECHET)
    assert found["b"].difference is None and found["c"].difference == -1.0
    assert (measured(found["b"]), differing(found["b"])) == ("1 (own judge)", "does not compare")
    assert table.remarks == [
        "b has its own judge in Fréchet distance of samples: the network of these figures also served in its "
        "loss. It is not best in them, and there are no differences to it."
    ]
    assert entries(table_of(*arms, metrics=[FRECHET], baseline="b"), FRECHET)["a"].difference is None
    tied = table_of(judged("a", 2.0), judged("b", 1.0, own_judge=True), judged("c", 1.0), metrics=[FRECHET])
    assert bests(tied, FRECHET) == ["c"]


def test_columns_are_called_as_the_evaluations_call_them():
    """Those in several feature networks name them."""
    title = "Fréchet distance (random ResNet-18), samples"
    arms = [judged("a", 3.0), judged("b", 1.0)]
    for each in arms:
        meanings = each.runs[0].evaluation["sections"]["distances"]["meanings"]
        meanings["samples/frechet"] = {"title": title, "text": "", "unit": "", "better": "lower"}
    assert table_of(*arms, metrics=[FRECHET]).columns[0].title == title
    assert table_of(judged("a", 3.0), judged("b", 1.0), metrics=[FRECHET]).columns[0].title != title


def test_columns_mean_what_the_runs_say_or_else_what_is_known():
    arms = [ArmRuns("a", {0: made(psnr=1.0, ssim=0.5, records=[record(test__gen__kl=3.0)])})]
    columns = {
        column.key: column
        for column in table_of(*arms, metrics=["test/gen/kl", PSNR, "reconstruction/ssim"]).columns
    }
    assert list(columns) == ["test/gen/kl", PSNR, "reconstruction/ssim", "wall_s", "images_per_s"]
    assert vars(columns[PSNR]) == {
        "key": PSNR, "title": "PSNR", "text": "PSNR of this run", "unit": "dB", "better": "higher",
        "doubt": "",
    }  # fmt: skip
    assert (columns["reconstruction/ssim"].title, columns["reconstruction/ssim"].better) == ("SSIM", "higher")
    assert columns["test/gen/kl"].title == "KL divergence, held out"
    assert (columns["wall_s"].unit, columns["wall_s"].better) == ("s", "lower")


def test_wall_time_is_of_all_epochs_and_of_the_held_out_images():
    """Forked epochs, which stand in the records, too; 200 + 300 images in 2 + 6 seconds."""
    records = [record(), record(phase="combo", time__epoch_s=6.0, time__test_s=0.5, time__images_per_s=50.0)]
    figures = figures_of(made(records=records, psnr=1.0))
    assert figures["wall_s"] == 2 + 1 + 6 + 0.5
    assert figures["images_per_s"] == pytest.approx(500 / 8)


def test_terms_are_those_of_the_last_epoch():
    figures = figures_of(
        made(records=[record(test__gen__kl=1.0), record(test__gen__kl=2.0, train__gen__kl=3.0)])
    )
    assert (figures["test/gen/kl"], figures["train/gen/kl"]) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("shares", "accuracy"),
    [
        ({"acc_real": 1.0, "acc_fake": 0.5}, 0.75),
        ({"acc_pairs": 0.625}, 0.625),
        ({"saturated": 0.5}, None),
    ],
)
def test_accuracy_is_the_share_of_held_out_images_or_pairs_that_d_tells_right(shares, accuracy):
    last = record(**{f"test__disc__{key}": value for key, value in shares.items()}, train__disc__acc_real=0.0)
    assert figures_of(made(records=[last])).get("disc_accuracy") == accuracy


def test_what_is_no_single_finite_number_is_no_figure():
    run = made(
        psnr=float("inf"), ssim=None, mse=float("nan"), pbp=True, kl_per_dim=[1.0], mig={"a": 1}, sharpness=0
    )
    assert figures_of(run) == {SHARPNESS: 0}


def test_a_run_that_was_not_evaluated_has_its_records_alone():
    run = RunFiles(Path("run"), {}, {}, [record(test__gen__kl=1.0)], None)
    assert figures_of(run).keys() == {"test/gen/kl", "wall_s", "images_per_s"}


def test_a_figure_that_some_seeds_lack_is_said():
    table = table_of(arm("a", 20.0, float("nan"), None), arm("b", 21.0, 22.0, 23.0))
    assert entries(table)["a"].values == {0: 20.0}
    assert entries(table)["b"].difference == 1.0
    assert table.remarks == ["a has no finite PSNR with seed 1, 2."]


def test_an_arm_without_a_figure_has_no_entry():
    table = table_of(arm("a", None), arm("b", 21.0), arm("c", 22.0))
    found = entries(table)
    assert (found["a"], found["b"].difference, bests(table)) == (None, None, ["c"])


@pytest.mark.parametrize("failed", ["base", "other"])
def test_arms_of_which_all_runs_failed_stay_in_the_table(failed):
    arms = {"base": arm("base", 20.0, 21.0), "other": arm("other", 22.0, 24.0)}
    arms[failed] = ArmRuns(failed, {}, {0: "out of memory", 1: "not finite"})
    table = table_of(*arms.values())
    found = entries(table)
    (left,) = {"base", "other"} - {failed}
    assert (found[failed], found[left].difference) == (None, None)
    assert [(row.label, row.survived) for row in table.rows if row.label == failed] == [(failed, "0/2")]
    assert table.remarks == [
        f"{failed}, seed 0, failed: out of memory",
        f"{failed}, seed 1, failed: not finite",
    ]


def test_a_table_of_failures_alone():
    table = table_of(ArmRuns("a", {}, {0: "lost"}), ArmRuns("b", {}, {0: "lost"}))
    assert (table.columns, [row.entries for row in table.rows]) == ([], [[], []])
    assert table.remarks[-1] == "No run has reconstruction/psnr."
    assert table_of(ArmRuns("a", {}, {0: "lost"}), given=False).remarks == ["a, seed 0, failed: lost"]


def test_seeds_that_survived_are_counted():
    table = table_of(ArmRuns("a", arm("a", 20.0, 21.0).runs, {2: "lost"}))
    assert [row.survived for row in table.rows] == ["2/3"]
    assert table.remarks == ["a, seed 2, failed: lost"]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("commit", "xyz", "The runs were made with different commits: abc, xyz; times may not compare."),
        (
            "device_name",
            "gpu",
            "The runs were made with different devices: cpu 1, gpu; times may not compare.",
        ),
        ("threads", 2, "The runs were made with different threads: 1, 2; times may not compare."),
        ("threads", None, "The runs were made with different threads: 1, None; times may not compare."),
        ("python", "3.14", None),
    ],
)
def test_runs_of_other_machines_are_said(key, value, sentence):
    table = table_of(arm("a", 1.0), arm("b", 2.0, environment={key: value}))
    assert table.remarks == ([sentence] if sentence else [])


def test_plain_rows_have_three_cells_for_each_figure():
    table = table_of(arm("a", 20.0, 24.0), ArmRuns("b", {0: made(psnr=21.0)}, {1: "lost"}), ArmRuns("c", {}))
    assert as_rows(table) == (
        ["arm", "seeds", "PSNR mean", "PSNR deviation", "PSNR difference"],
        [
            ["a", "2/2", 22.0, pytest.approx(8**0.5), None],
            ["b", "1/2", 21.0, None, 1.0],
            ["c", "0/0", None, None, None],
        ],
    )


def with_verdicts(label, *verdicts):
    """An arm of runs with these verdicts; None for a run without one."""
    sections = [
        {}
        if verdict is None
        else {"health": {"protocol": {}, "values": {"verdict": verdict}, "meanings": {}}}
        for verdict in verdicts
    ]
    return ArmRuns(label, {seed: made(psnr=20.0, sections=each) for seed, each in enumerate(sections)})


def test_verdicts_have_a_column_of_text():
    arms = (
        with_verdicts("a", "all well", "D has won; lattice", "all well"),
        with_verdicts("b", "all well", None),
    )
    table = table_of(*arms, with_verdicts("c", None), metrics=(PSNR, "health/verdict"))
    assert [row.verdict for row in table.rows] == ["2 all well, 1 D has won; lattice", "all well", ""]
    assert table.remarks == [] and [column.key for column in table.columns] == [PSNR]
    assert [cells[-1] for cells in as_rows(table)[1]] == [row.verdict for row in table.rows]
    text = markdown(table)
    assert "| verdict | seeds |" in text and "| 2 all well, 1 D has won; lattice | 3/3 |" in text
    assert "| – | 1/1 |" in text
    assert "    verdict & 2 all well, 1 D has won; lattice & all well & " in latex(table)
    lines = csv(table).splitlines()
    assert "a,health/verdict,,,3,,,,,,,0:all well | 1:D has won; lattice | 2:all well" in lines
    assert not any(line.startswith("c,health") for line in lines)


def test_without_verdicts_there_is_no_column():
    """Runs of an older version, and a table that does not ask for them."""
    old = table_of(arm("a", 20.0), metrics=(PSNR, "health/verdict"))
    assert not old.verdicts and "verdict" not in markdown(old).partition("##")[0]
    assert old.remarks == ["No run has health/verdict."]
    assert not table_of(with_verdicts("a", "all well")).verdicts
