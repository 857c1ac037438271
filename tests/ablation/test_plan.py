"""From arms to runs: arms that share a run, and runs that fork from others."""

import re
from pathlib import Path

import pytest

from vaegan.ablation.plan import Fork, digest, epochs_of, make_plan, options_of, resolve
from vaegan.ablation.spec import Arm, Spec
from vaegan.config.make import make_config, resolved
from vaegan.errors import UserError

RUNS = Path("runs")
DISC = {"vae": "dense", "disc": "dense", "epochs": 8}
ALONE = {"vae": "dense", "epochs": 8}


def plan_of(*arms, seeds=(0,), name="spec"):
    """The plan of arms called 0, 1, ... with these options; arms that are `Arm`s go as they are."""
    arms = [arm if isinstance(arm, Arm) else Arm(str(i), arm) for i, arm in enumerate(arms)]
    spec = Spec(name, Path(f"{name}.yaml"), arms, list(seeds), [], False, arms[0].label)
    configs = {arm.label: resolve(spec, arm, lambda config: resolved(config, 16)) for arm in arms}
    return make_plan(spec, configs, RUNS, str)


def forks(plan):
    """Of each arm that forks: the arm it forks from and how many epochs, for the first seed."""
    arms = {arm.jobs[0]: int(arm.label) for arm in plan.arms}
    found = {arm.label: plan.jobs[arm.jobs[0]].fork for arm in plan.arms}
    return {int(label): (arms[fork.leader], fork.epochs) for label, fork in found.items() if fork}


def config(**options):
    return resolved(make_config(options), 16)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"lr": "1e-3"}, {"lr": 0.001}),
        ({}, {"lr": 1e-3}),
        ({"disc_weight": 10}, {"disc_weight": "10.0"}),
        ({}, {"solo_epochs": 4, "adv": "nonsaturating", "disc_lr": 1e-3}),
        ({"augment": "hflip"}, {"augment": ["hflip"]}),
        ({"image_size": 16}, {}),
        ({"seed": 1}, {"seed": 2}),
        ({"wandb_tags": ["a"]}, {"data_dir": "elsewhere", "keep_epochs": [1]}),
    ],
)
def test_arms_that_differ_in_nothing_are_refused(one, other):
    with pytest.raises(UserError) as refused:
        plan_of(DISC | one, DISC | {"beta": 2}, DISC | other)
    assert str(refused.value) == "spec.yaml: the arms '0' and '2' do not differ"


def test_equal_time_may_come_to_the_epochs_of_another_arm_and_shares_its_runs():
    plan = plan_of(DISC, Arm("timed", ALONE, "equal_time"), Arm("plain", ALONE, "no_disc"), seeds=(0, 1))
    first, timed, plain = plan.arms
    assert timed.jobs == plain.jobs
    assert set(plan.jobs) == {*first.jobs, *plain.jobs}
    assert [job.fork is not None for job in plan.jobs.values()] == [False, False, True, True]


def test_equal_runs_of_two_specs_have_one_name_and_folder():
    one, other = (
        plan_of(DISC, ALONE, seeds=(0, 3)),
        plan_of({**ALONE, "lr": "1e-3"}, DISC, seeds=(3,), name="b"),
    )
    shared = one.jobs.keys() & other.jobs.keys()
    assert (
        shared == {one.arms[0].jobs[1], one.arms[1].jobs[1]} == {other.arms[1].jobs[0], other.arms[0].jobs[0]}
    )
    for name in shared:
        assert one.jobs[name].folder == other.jobs[name].folder == RUNS / "arms" / name


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 3},
        {"data_dir": "x"},
        {"cache_dir": "x"},
        {"memory_limit": 5},
        {"runs_dir": "x"},
        {"evaluate": False},
        {"figure_epochs": [1]},
        {"keep_epochs": [1]},
        {"keep_best": "test/gen/kl"},
        {"save_every": 7},
        {"wandb": "disabled"},
        {"wandb_project": "x"},
        {"wandb_group": "x"},
        {"wandb_tags": ["x"]},
        {"wandb_notes": "x"},
    ],
)
def test_a_run_s_name_does_not_hang_on_where_it_is_and_what_is_kept(options):
    assert digest(config(**DISC | options)) == digest(config(**DISC))


@pytest.mark.parametrize(
    "options",
    [
        *({"lr": 0.1}, {"beta": 2}, {"latent_dim": 3}, {"epochs": 9, "solo_epochs": 4}, {"solo_epochs": 3}),
        *({"dataset": "cartoon"}, {"split_seed": 1}, {"train_images": 9}, {"crop": 3}, {"augment": "hflip"}),
        *(
            {"disc_weight": 1},
            {"disc_hidden_dim": 3},
            {"hidden_dim": 3},
            {"device": "cpu"},
            {"accumulate": 2},
        ),
        *({"batch_size": 32}, {"ema": 0.9}, {"pbp": "mse"}, {"precision": "fp32"}, {"init": "dcgan"}),
    ],
)
def test_a_run_s_name_hangs_on_all_that_changes_it(options):
    assert digest(config(**DISC | options)) != digest(config(**DISC))


def test_names_say_what_a_run_is():
    plan = plan_of(DISC, seeds=(5,))
    assert list(plan.jobs) == [f"cartoon-2000_dense_dense_w10-s5-{digest(config(**DISC))}"]
    (job,) = plan.jobs.values()
    assert (job.name, job.config, job.keep_epochs) == (plan.arms[0].jobs[0], config(**DISC, seed=5), ())


def test_long_names_are_cut():
    (name,) = plan_of(ALONE | {"dataset": "x" * 90}).jobs
    assert name == "x" * 60 + f"-s0-{digest(config(**ALONE, dataset='x' * 90))}"


WHO_FORKS = {
    "weights of D after the same solo epochs": (
        [DISC | {"disc_weight": weight} for weight in (0, 1, 10)],
        {1: (0, 4), 2: (0, 4)},
    ),
    "whatever begins to matter with D": (
        [
            DISC,
            DISC | {"disc": "conv", "disc_base_channels": 4},
            DISC | {"adv": "hinge", "gp": 1, "disc_lr": 0.1, "disc_betas": "0,0.9", "disc_steps": 2},
            DISC | {"instance_noise": 0.1, "diffaug": "colour", "spectral_norm": True, "max_disc_loss": 1},
            DISC | {"pbp_weight": 0.5, "pbp_decay": 0.5, "pbp_decay_every": 1},
        ],
        {1: (0, 4), 2: (0, 4), 3: (0, 4), 4: (0, 4)},
    ),
    "parts of the same epochs": (
        [DISC | {"solo_epochs": solo} for solo in (0, 2, 6, 4)],
        {1: (2, 2), 3: (2, 4)},
    ),
    "of other epochs in all": (
        [DISC | {"solo_epochs": 2}, DISC | {"solo_epochs": 3, "epochs": 5}],
        {0: (1, 2)},
    ),
    "a VAE alone leads": ([DISC, ALONE], {0: (1, 4)}),
    "a VAE alone follows a longer one, but for its last epoch": (
        [ALONE | {"epochs": 3}, ALONE, DISC | {"solo_epochs": 8}, ALONE | {"epochs": 1}],
        {0: (1, 2), 2: (1, 7)},
    ),
    "a VAE alone with another PBP weight does neither": (
        [ALONE | {"pbp_weight": 0.5}, ALONE, DISC],
        {2: (1, 4)},
    ),
    "nor with a decay": ([ALONE | {"pbp_decay": 0.5}, ALONE | {"pbp_decay": 0.9}, DISC], {}),
    "another VAE or other data": (
        [
            DISC,
            *(
                DISC | other
                for other in (
                    *({"lr": 0.1}, {"beta": 2}, {"latent_dim": 3}, {"augment": "hflip"}, {"ema": 0.9}),
                    *({"hidden_dim": 3}, {"pbp": "mse"}, {"batch_size": 32}, {"dataset": "cartoon"}),
                    *({"betas": "0.5,0.9"}, {"accumulate": 2}, {"precision": "bf16"}, {"split_seed": 1}),
                    *({"vae": "conv"}, {"train_images": 9}, {"device": "cpu"}),
                )
            ),
        ],
        {},
    ),
    "GANs": (
        [
            {"gan": "dense", "disc": "dense", "epochs": 8},
            {"gan": "dense", "disc": "dense", "epochs": 8, "disc_weight": None, "disc_lr": 0.1},
        ],
        {},
    ),
    "up to the epochs in which D warms up": (
        [
            DISC | {"disc_warmup_epochs": 1},
            DISC,
            DISC | {"disc_warmup_epochs": 2, "disc_lr": 0.1},
            DISC | {"disc_warmup_epochs": 4},
        ],
        {0: (1, 3), 2: (1, 2)},
    ),
    "rates that change, and D warms up": (
        [
            DISC | {"disc_warmup_epochs": 2, "lr_schedule": "cosine"},
            DISC | {"lr_schedule": "cosine"},
        ],
        {0: (1, 2)},
    ),
    "no solo epochs": ([DISC | {"solo_epochs": 0, "disc_weight": w} for w in (1, 2)], {}),
    "a course in epochs or steps": (
        [ALONE | {"beta": "linear(0, 1, 2)"}, DISC | {"beta": "linear(0, 1, 2)", "epochs": 6}],
        {1: (0, 3)},
    ),
    "a course in percent of equally many epochs": (
        [
            *(each | {"beta": "linear(0, 1, 50%)"} for each in (ALONE, DISC)),
            DISC | {"beta": "linear(0, 1, 50%)", "epochs": 6},
        ],
        {1: (0, 4)},
    ),
    "rates with a course": (
        [
            *(each | {"lr": "exp(1e-3, 1e-4, 100%)"} for each in (ALONE, DISC, DISC | {"disc_lr": 0.1})),
            DISC | {"lr": "exp(1e-3, 1e-4, 100%)", "epochs": 6},
        ],
        {1: (0, 4), 2: (0, 4)},
    ),
    "a course of combo epochs": (
        [ALONE, DISC | {"disc_weight": "linear(0, 1, 50%)", "epochs": 6}],
        {1: (0, 3)},
    ),
    "DCGAN's first weights with one D": (
        [DISC | {"init": "dcgan"}, DISC | {"init": "dcgan", "disc_weight": 1}, ALONE | {"init": "dcgan"}],
        {1: (0, 4)},
    ),
    "DCGAN's first weights with other Ds": (
        [DISC | {"init": "dcgan"}, DISC | {"init": "dcgan", "disc_hidden_dim": 3}],
        {},
    ),
    **{
        f"rates that change ({', '.join(rates)})": (
            [
                DISC | rates,
                DISC | rates | {"solo_epochs": 2, "disc_weight": 1, "pbp_weight": 2, "pbp_decay": 0.5},
                DISC | rates | {"epochs": 10, "solo_epochs": 4},
                DISC | rates | {"disc_hidden_dim": 3},
                DISC | rates | {"disc_lr": 0.1},
                ALONE | rates,
            ],
            {1: (0, 2)},
        )
        for rates in ({"lr_schedule": "cosine"}, {"warmup_epochs": 1}, {"lr_schedule": "step"})
    },
}


@pytest.mark.parametrize("case", WHO_FORKS)
def test_who_forks_from_whom(case):
    arms, expected = WHO_FORKS[case]
    assert forks(plan_of(*arms)) == expected


def test_the_leader_keeps_the_epochs_that_others_fork_from():
    plan = plan_of(
        *(DISC | {"solo_epochs": solo} for solo in (2, 6, 4)), DISC | {"solo_epochs": 2, "disc_weight": 1}
    )
    jobs = [plan.jobs[arm.jobs[0]] for arm in plan.arms]
    assert [job.keep_epochs for job in jobs] == [(), (2, 4), (), ()]
    checkpoints = jobs[1].folder / "checkpoints"
    assert jobs[0].fork == jobs[3].fork == Fork(jobs[1].name, checkpoints / "epoch-0002.safetensors", 2)
    assert jobs[2].fork == Fork(jobs[1].name, checkpoints / "epoch-0004.safetensors", 4)


def test_seeds_never_share_a_leader_and_leaders_come_first_seed_by_seed():
    plan = plan_of(DISC, ALONE, ALONE | {"beta": 2}, seeds=(7, 3))
    combo, alone, beta = (arm.jobs for arm in plan.arms)
    assert list(plan.jobs) == [alone[0], beta[0], alone[1], beta[1], combo[0], combo[1]]
    assert [plan.jobs[name].config.seed for name in combo] == [7, 3]
    assert [plan.jobs[name].fork.leader for name in combo] == alone


def test_the_names_of_runs_with_courses_are_safe_as_folders():
    plan = plan_of(DISC, DISC | {"disc_weight": "share(linear(0, 0.3, 20%))"})
    assert all(re.fullmatch(r"[\w.-]+", name) for name in plan.jobs)
    assert any("_wshare-linear-0-0.3-20pc-s0-" in name for name in plan.jobs)


def test_epochs_by_phase():
    assert epochs_of(config(**ALONE)) == {"solo": 8, "combo": 0}
    assert epochs_of(config(**DISC, solo_epochs=3)) == {"solo": 3, "combo": 5}
    warmed = config(**DISC, solo_epochs=3, disc_warmup_epochs=2)
    assert epochs_of(warmed) == {"solo": 1, "warmup": 2, "combo": 5}
    assert epochs_of(config(gan="dense", disc="dense", epochs=8)) == {"solo": 0, "combo": 8}


def test_an_arm_s_options_make_it_again_with_any_seed_anywhere():
    made = config(**DISC, seed=4, runs_dir="x", evaluate=False, run_name="y", solo_epochs=3)
    options = options_of(made)
    assert not {"seed", "runs_dir", "evaluate", "run_name"} & options.keys()
    assert make_config(options).to_dict() == config(**DISC, solo_epochs=3).to_dict()


def test_a_listed_metric_needs_its_section():
    arms = [Arm("a", {"sections": "reconstruction,pictures"}), Arm("b", {"beta": 2})]
    for metrics, given, refused in (
        (["reconstruction/psnr", "test/gen/kl", "wall_s"], True, False),
        (["distances_random/samples/frechet"], True, True),
        (["distances_random/samples/frechet"], False, False),  # the usual ones: those that there are
    ):
        spec = Spec("spec", Path("spec.yaml"), arms, [0], metrics, given, "a")
        if not refused:
            assert resolve(spec, arms[0], lambda config: config).sections == ["reconstruction", "pictures"]
            continue
        with pytest.raises(UserError) as error:
            resolve(spec, arms[0], lambda config: config)
        assert str(error.value) == (
            "spec.yaml: metrics: distances_random/samples/frechet: the section distances is not among the "
            "`sections` of the arm a"
        )
        resolve(spec, arms[1], lambda config: config)
