"""A run forked from another's solo epochs ends exactly as if it had been trained alone, bit for bit."""

import pytest
from processes import outcome, plain_curves
from tiny_runs import plain

import train_vaegan
import vaegan.run.folder
from vaegan.ablation.plan import solo_digest, solo_epochs
from vaegan.config.make import make_config
from vaegan.run.fork import fork_run
from vaegan.training.checkpoint import newest

TINY = "--latent-dim 2 --image-size 16 --batch-size 512 --epochs 4 --evaluate false --lr 0.01 --seed 3"
DENSE = f"{TINY} --vae dense --hidden-dim 8 --ema 0.9 --pbp gaussian --augment hflip"
DISC = "--disc dense --disc-hidden-dim 4"
CONV = f"{TINY} --vae conv --base-channels 2"

CASES = {
    "from a VAE alone": (DENSE, f"{DENSE} {DISC} --solo-epochs 2 --disc-weight 5"),
    "from a longer solo phase": (
        f"{DENSE} {DISC} --solo-epochs 3",
        f"{DENSE} {DISC} --solo-epochs 1 --pbp-weight 0.5 --pbp-decay 0.9 --pbp-decay-every 1",
    ),
    "with another discriminator and game": (
        f"{CONV} --disc conv --disc-base-channels 2 --solo-epochs 2",
        f"{CONV} --disc dense --disc-hidden-dim 4 --solo-epochs 2 --adv hinge --disc-lr 1e-4 --spectral-norm "
        "--instance-noise 0.1 --max-disc-loss 0 --disc-steps 2",
    ),
    "before D warms up": (
        f"{CONV} --disc conv --disc-base-channels 2 --solo-epochs 3 --disc-warmup-epochs 1",
        f"{CONV} --disc dense --disc-hidden-dim 4 --solo-epochs 3 --disc-warmup-epochs 2",
    ),
    "before D warms up, with learning rates that change": (
        f"{DENSE} {DISC} --solo-epochs 3 --lr-schedule cosine --warmup-epochs 1",
        f"{DENSE} {DISC} --solo-epochs 2 --disc-warmup-epochs 1 --lr-schedule cosine --warmup-epochs 1",
    ),
    "with courses of weights and rates": (
        f"{DENSE} --lr exp(0.01,0.001,100%) --beta linear(0,1,30st)",
        f"{DENSE} --lr exp(0.01,0.001,100%) --beta linear(0,1,30st) {DISC} --disc-lr warmup(0.01,50%) "
        "--solo-epochs 2 --disc-weight linear(0,5,100%) --pbp-weight step(1,0.9,1)",
    ),
    "with learning rates that change": (
        f"{DENSE} {DISC} --solo-epochs 3 --lr-schedule cosine --warmup-epochs 1",
        f"{DENSE} {DISC} --solo-epochs 2 --lr-schedule cosine --warmup-epochs 1 --disc-weight 2",
    ),
}


def trained(folder, flags):
    """The folder of a run with these flags."""
    places = ["--runs-dir", str(folder.parent), "--run-name", folder.name]
    assert train_vaegan.main([*plain(flags.split()), *places]) == 0
    return folder


def config_of(folder):
    return make_config(newest(folder / "checkpoints").facts["config"])


@pytest.mark.parametrize("case", CASES)
def test_ends_as_a_run_made_alone(tmp_path, case, monkeypatch):
    monkeypatch.setattr(vaegan.run.folder, "save_curves", plain_curves)  # drawing takes longer than all else
    leader_flags, flags = CASES[case]
    alone = trained(tmp_path / "alone" / "run", flags)
    config = config_of(alone)
    epochs = solo_epochs(config)
    leader = trained(tmp_path / "leader", f"{leader_flags} --keep-epochs {epochs}")
    assert solo_digest(config_of(leader)) == solo_digest(config)
    forked = tmp_path / "forked" / "run"
    config = config.model_copy(update={"precision": None})  # as in a plan: it is the leader's
    fork_run(leader / "checkpoints" / f"epoch-{epochs:04}.safetensors", config, forked)
    assert (forked / "fork.json").read_text() == f'{{"run": "leader", "epochs": {epochs}}}\n'
    assert train_vaegan.main(["--resume", str(forked)]) == 0
    expected, found = outcome(alone), outcome(forked)
    del found["fork.json"]
    assert len(expected["metrics.jsonl"]) == 4
    assert sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)) == []
