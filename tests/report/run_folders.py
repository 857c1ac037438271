"""Hand-made folders of runs, with all files that a report needs."""

import json

import yaml
from PIL import Image

EVALUATION = {
    "run": "digits_conv-1",
    "epochs": 2,
    "checkpoint": "step-00000046",
    "versions": {"vaegan": "0.1.0", "torch": "2.6.0"},
    "headlines": [
        {"label": "PSNR", "value": "21.35", "unit": "dB"},
        {"label": "SSIM", "value": "0.810", "unit": ""},
    ],
    "sections": {
        "reconstruction": {
            "title": "Reconstruction",
            "protocol": {"images": "all 360 held-out ones", "weights": "as trained", "seed": 0},
            "values": {"psnr": 21.3456, "ssim": 0.81, "high_frequency_ratio": None},
            "meanings": {
                "psnr": {"text": "peak signal-to-noise ratio", "unit": "dB", "better": "higher"},
                "high_frequency_ratio": {"text": "high frequencies kept", "unit": "", "better": ""},
            },
            "warnings": ["high_frequency_ratio: the originals have no high frequencies."],
        },
        "latents": {
            "title": "Latents",
            "protocol": {"images": "all 360 held-out ones", "weights": "as trained", "seed": 0},
            "values": {
                "active": 5,
                "kl_per_dim": [0.5, 3.25, 0.0, 1.5],
                "mig_per_factor": {"smile": 0.125, "hair_<b>": -0.0625, "hat": None},
            },
            "meanings": {
                "kl_per_dim": {"text": "KL divergence of each latent", "unit": "nats", "better": ""}
            },
            "warnings": [],
        },
        "distances": {
            "title": "Distances",
            "protocol": {"images": "360 of each", "network": "inception", "weights": "as trained", "seed": 0},
            "values": {
                "samples/frechet": 1234.5,
                "reconstructions/frechet": 87.654321,
                "training/frechet": 3.21,
                "samples/precision": 0.25,
            },
            "meanings": {
                f"{of}/frechet": {"text": "Fréchet distance", "unit": "", "better": "lower"}
                for of in ("samples", "reconstructions", "training")
            },
            "warnings": [],
        },
    },
    "pictures": [
        {
            "file": "errors.png",
            "title": "Errors",
            "alt": "Three rows of ten images.",
            "caption": "Top: images.",
        },
        {"file": "wide.png", "title": "Wide", "alt": "A wide picture.", "caption": ""},
    ],
}
CONFIG = {
    "vae": "conv",
    "latent_dim": 4,
    "beta": 1.0,
    "epochs": 2,
    "seed": 0,
    "dataset": "digits",
    "image_size": 16,
    "split_seed": 0,
    "runs_dir": "runs",
}
ENVIRONMENT = {
    "command": "train_vaegan.py --vae conv --latent-dim 4 --run-name '<script>alert(1)</script>'",
    "commit": "0123456789abcdef0123456789abcdef01234567+",
    "preset": {"name": "steered", "set": {"r1": 0.3}, "left_out": {}},
    "python": "3.11.7",
    "device": "cpu",
    "device_name": "x86_64",
    "packages": {"torch": "2.6.0", "timm": None},
}


def write_run(folder, config=None, evaluation=EVALUATION, kl=(4.0, 5.0)):
    """A run's folder. evaluation: None for a run without one. kl: held out, after each epoch."""
    (folder / "figures").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | (config or {}), sort_keys=False))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    records = [
        {"epoch": i, "phase": "solo", "train/gen/kl": each - 0.5, "test/gen/kl": each, "test/gen/pbp": 40 - i}
        for i, each in enumerate(kl)
    ]
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(r | {"time/epoch_s": 1.0}) + "\n" for r in records)
    )
    Image.new("RGB", (300, 90), "teal").save(folder / "figures" / "errors.png")
    Image.new("RGB", (1300, 300), "orange").save(folder / "figures" / "wide.png")
    if evaluation:
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder
