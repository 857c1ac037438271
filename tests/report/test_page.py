"""report.html: its contents, and that a browser shows it correctly, without other files and offline."""

import base64
import itertools
import json

import pytest
from browser import PHONE, opened, problems
from run_folders import write_run

from vaegan.errors import UserError
from vaegan.report.page import write_report
from vaegan.report.rendering import bars, figure
from vaegan.run.reading import read_run


def shown(chromium, file, **context):
    """The text that a reader sees, spaces as one."""
    with opened(chromium, file, **context) as (page, _):
        return " ".join(page.inner_text("body").split())


@pytest.mark.slow
def test_a_browser_finds_nothing_wrong_on_a_phone_a_screen_in_the_dark_and_in_print(chromium, run_folder):
    assert problems(chromium, write_report(run_folder)) == []


@pytest.mark.slow
def test_what_there_is_to_know_is_shown(chromium, run_folder):
    text = shown(chromium, write_report(run_folder))
    for expected in (
        "digits_conv-1 A VAE, conv; 4 latents; digits at 16 x 16 pixels; 2 of 2 epochs, trained in 2 s.",
        "--run-name '<script>alert(1)</script>'",
        "Pictures Errors Top: images. Wide",
        "Reconstruction Warning: high_frequency_ratio: the originals have no high frequencies.",
        "peak signal-to-noise ratio psnr 21.35 dB ↑ higher",
        "ssim 0.81 –",
        "high frequencies kept high_frequency_ratio none here (why) –",
        "How this was taken: images: all 360 held-out ones; weights: as trained; seed: 0.",
        "4 values, numbered from 0: the greatest 3.25 (number 1), the least 0 (number 2), the mean 1.312.",
        "smile 0.125 hair_<b> -0.0625 hat none here",
        "Figure samples reconstructions training Better Fréchet distance frechet 1,234 87.65 3.21 ↓ lower",
        "precision 0.25 – – –",
        "KL divergence (nats an image) gen/kl 4.5 5",
        "PBP loss (an image) gen/pbp – 39",
        "Checkpoint step-00000046",
    ):
        assert expected in text


def test_the_preset_is_named_where_there_is_one(run_folder):
    assert "; preset <code>steered</code>." in write_report(run_folder).read_text()
    facts = json.loads((run_folder / "environment.json").read_text())
    del facts["preset"]
    (run_folder / "environment.json").write_text(json.dumps(facts))
    assert "preset" not in write_report(run_folder).read_text()


@pytest.mark.slow
def test_options_and_versions_are_there_when_opened(chromium, run_folder):
    with opened(chromium, write_report(run_folder)) as (page, _):
        assert "split_seed" not in page.inner_text("body")
        for summary in page.query_selector_all("summary"):
            summary.click()
        text = " ".join(page.inner_text("body").split())
    assert "beta 1 epochs 2 seed 0 dataset digits" in text
    assert "torch 2.6.0 2.6.0 timm – – vaegan – 0.1.0" in text


@pytest.mark.slow
def test_headings_are_in_order_and_every_table_heading_has_a_scope(chromium, run_folder):
    with opened(chromium, write_report(run_folder)) as (page, _):
        levels = page.evaluate("() => [...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])")
        unscoped = page.evaluate("() => document.querySelectorAll('th:not([scope])').length")
        language = page.evaluate("() => document.documentElement.lang")
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert (unscoped, language) == (0, "en")


@pytest.mark.slow
def test_the_dark_is_dark_and_print_is_light_again(chromium, run_folder):
    file = write_report(run_folder)

    def ground(media="screen", **context):
        with opened(chromium, file, **context) as (page, _):
            page.emulate_media(media=media, color_scheme=context.get("color_scheme"))
            colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3

    assert ground(color_scheme="light") == 255
    assert ground(color_scheme="dark") < 40
    assert ground("print", color_scheme="dark") == 255


@pytest.mark.slow
def test_a_wide_table_scrolls_in_its_own_box(chromium, tmp_path, evaluation):
    values = evaluation["sections"]["distances"]["values"]
    values |= {f"a_thing_of_which_the_name_is_long_{i}/frechet": 1.0 for i in range(5)}
    file = write_report(write_run(tmp_path / "run", evaluation=evaluation))
    with opened(chromium, file, viewport=PHONE) as (page, _):
        across = page.evaluate("() => document.documentElement.scrollWidth")
        inner = page.evaluate(
            "() => Math.max(...[...document.querySelectorAll('.box')].map(b => b.scrollWidth))"
        )
    assert across == PHONE["width"] < inner


@pytest.mark.slow
def test_print_cuts_no_picture_and_opens_the_details(chromium, run_folder):
    with opened(chromium, write_report(run_folder), viewport={"width": 700, "height": 1000}) as (page, _):
        page.emulate_media(media="print")
        widest = page.evaluate(
            "() => Math.max(...[...document.images].map(i => i.getBoundingClientRect().right))"
        )
        kept = page.evaluate("() => getComputedStyle(document.querySelector('figure')).breakInside")
        drawn = page.evaluate(
            "() => [...document.querySelectorAll('details table')].map(t => t.checkVisibility())"
        )
        assert page.pdf().startswith(b"%PDF")
    assert widest <= 700 and kept == "avoid" and drawn == [True, True]


FAULTS = {
    '<img src="http://127.0.0.1:9/x.png" alt="x">': "request: http://127.0.0.1:9/x.png",
    '<link rel="stylesheet" href="style.css">': "/style.css",
    "<script>nonsense()</script>": "script: nonsense is not defined",
    "<script>console.error('oh no')</script>": "console: oh no",
    '<img src="data:image/png;base64,AAAA" alt="x">': "image does not load: data:image/png",
    '<img src="data:image/png;base64,BBBB">': "image without an alternative text: data:image/png",
    '<div style="width: 500px">wide</div>': "140 pixels wider than the window",
    '<p style="color: #999">pale</p>': "contrast 2.8: pale",
}


@pytest.mark.slow
def test_the_check_finds_what_is_put_in(chromium, tmp_path):
    page = tmp_path / "page.html"
    sound = '<!doctype html><meta name="viewport" content="width=device-width"><body style="margin: 0">text'
    page.write_text(sound)
    assert problems(chromium, page, looks=["phone"]) == []
    page.write_text(sound + "".join(FAULTS))
    found = problems(chromium, page, looks=["phone"])
    assert [fault for fault in FAULTS.values() if not any(fault in each for each in found)] == []


@pytest.mark.slow
def test_the_check_looks_in_the_dark_and_at_print(chromium, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><style>@media (prefers-color-scheme: dark) { .a { color: #222; background: #000 } }"
        "@media print { .b { color: #eee } }</style><p class='a'>unlit</p><p class='b'>faint</p>"
    )
    assert problems(chromium, page, looks=["dark"]) == ["dark: contrast 1.3: unlit"]
    assert "print: contrast 1.2: faint" in problems(chromium, page, looks=["print"])
    assert problems(chromium, page, looks=["screen"]) == []


@pytest.mark.slow
def test_the_page_itself_lets_nothing_in_from_elsewhere(chromium, run_folder):
    """Its policy stops what a picture or a script put into it would ask for."""
    file = write_report(run_folder)
    file.write_text(file.read_text().replace("</main>", "<script>document.title = 'taken'</script></main>"))
    with opened(chromium, file) as (page, wrong):
        assert page.title() == "digits_conv-1: report"
    assert any("Content Security Policy" in each for each in wrong)


def test_pictures_are_in_the_page_byte_for_byte_and_lost_ones_are_named(run_folder):
    (run_folder / "figures" / "wide.png").unlink()
    text = write_report(run_folder).read_text()
    picture = base64.b64encode((run_folder / "figures" / "errors.png").read_bytes()).decode()
    assert text.count(f"data:image/png;base64,{picture}") == 1
    assert (
        "wide.png is no longer in the run&#39;s folder" in " ".join(text.split())
        or "wide.png is no longer" in text
    )


def test_a_gan_says_what_it_is(tmp_path):
    gan = write_run(tmp_path / "gan", {"gan": "deep_conv", "disc": "resnet"})
    assert "A GAN, deep_conv against resnet; 4 latents; digits" in write_report(gan).read_text()


def test_only_the_runs_folder_is_written_and_only_the_report(run_folder):
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    write_report(run_folder)
    after = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    assert set(after) - set(before) == {run_folder / "report.html"}
    assert all(after[path] == content for path, content in before.items())


def test_a_run_without_an_evaluation_and_a_folder_without_a_run_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"run: the run has no evaluation\.json yet; evaluate it first"):
        write_report(write_run(tmp_path / "run", evaluation=None))
    with pytest.raises(UserError, match="nowhere: no such folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(
        UserError, match=r"not a run's folder: it has no config\.yaml and no environment\.json"
    ):
        write_report(tmp_path)
    (tmp_path / "run" / "evaluation.json").write_text('{"run": ')
    with pytest.raises(UserError, match="run: one of its files is damaged"):
        write_report(tmp_path / "run")
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "none here"),
        (21.345678, "21.35"),
        (12345, "12,345"),
        (98765.4, "98,765"),
        (0.000123456, "0.0001235"),
        (-0.5, "-0.5"),
        (float("inf"), "inf"),
        (True, "yes"),
        ("resnet", "resnet"),
    ],
)
def test_digits(value, expected):
    assert figure(value) == expected


def test_bars_stand_on_zero_and_fill_the_height():
    drawn = bars([2.0, -2.0, 1.0, 0.0])
    assert [(y, height) for _, y, _, height in drawn.bars] == [(0, 50), (50, 50), (25, 25), (50, 0)]
    assert [round(x) for x, *_ in drawn.bars] == [25, 275, 525, 775]
    assert (drawn.top, drawn.bottom) == (2, -2)
    assert bars([0.0, 0.0]).bars[0][3] == 0


def test_a_list_is_drawn_and_not_written_out(tmp_path, evaluation):
    evaluation["sections"]["latents"]["values"]["kl_per_dim"] = [i / 64 + 0.00123 for i in range(64)]
    text = write_report(write_run(tmp_path / "run", evaluation=evaluation)).read_text()
    assert text.count("<rect") >= 64
    assert "0.2517" not in text  # the 17th value, with the digits it would have
    assert json.dumps(16 / 64 + 0.00123) not in text


def test_an_empty_config_is_named(tmp_path):
    folder = write_run(tmp_path / "run", evaluation=None)
    (folder / "config.yaml").write_text("")
    with pytest.raises(UserError, match=r"run/config\.yaml: holds no options; put back"):
        read_run(folder)
