"""The page of a run that was really trained and evaluated."""

import json

import pytest
from browser import problems
from tiny_runs import plain

import train_vaegan


@pytest.mark.slow
def test_a_browser_finds_nothing_wrong_and_all_that_was_evaluated(tmp_path, chromium, real_curves):
    flags = (
        "--vae dense --hidden-dim 16 --latent-dim 2 --image-size 16 --train-images 300 --epochs 2 --ema 0.9"
    )
    flags += " --disc dense --disc-hidden-dim 8"
    places = ["--runs-dir", str(tmp_path), "--run-name", "run", "--cache-dir", str(tmp_path / "cache")]
    assert train_vaegan.main([*plain(flags.split()), *places]) == 0
    report = tmp_path / "run" / "report.html"
    assert problems(chromium, report) == []
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    page = chromium.new_page()
    page.goto(report.as_uri())
    text = page.inner_text("body")
    for section in evaluation["sections"].values():
        assert section["title"] in text
        assert all(warning in text for warning in section["warnings"])
        assert all(key in text for key in section["values"] if "/" not in key)
    for each in evaluation["headlines"]:
        assert each["value"] in text and each["label"] in text
    shown = page.eval_on_selector_all("figure img", "images => images.map(image => image.alt)")
    assert [picture["alt"] for picture in evaluation["pictures"]] == shown
    assert any("plain" in picture["file"] for picture in evaluation["pictures"])
    page.close()
