"""Opens a page in a headless Chromium and reports its errors."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PHONE = {"width": 360, "height": 800}
LOOKS = {
    "phone": {"viewport": PHONE},
    "screen": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": PHONE, "color_scheme": "dark"},
    "print": {"viewport": {"width": 700, "height": 1000}},
}
LEAST_CONTRAST = 4.5  # of WCAG 2.2's AA for body text
QUIET = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# each visible text's contrast against the first ground behind it that is not transparent
CONTRAST = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = numbers(colour).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      const parts = numbers(colour);
      if (parts.length < 4 || parts[3] > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    const pair = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => a - b);
    found.push([text, (pair[1] + 0.05) / (pair[0] + 0.05)]);
  }
  return found;
}"""
IMAGES = (
    "() => [...document.images].map(i => [i.naturalWidth, i.getAttribute('alt') || '', i.src.slice(0, 60)])"
)


@contextmanager
def launched() -> Iterator:
    """A headless Chromium, $CHROMIUM or the first there is; skips the test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: the extra `test` has it")
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, filter(None, names))), None)
    if program is None:
        pytest.skip("needs Chromium: none in PATH; set CHROMIUM to where it is")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def opened(browser, file: Path, **context) -> Iterator:
    """The page and what went wrong so far: errors in the console, in scripts, and all that was asked for."""
    with browser.new_context(**context) as opened_context:
        page = opened_context.new_page()
        wrong = []
        page.on(
            "console", lambda message: message.type == "error" and wrong.append(f"console: {message.text}")
        )
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("request", lambda request: wrong.extend(_foreign(request.url, file)))
        page.goto(file.resolve().as_uri(), wait_until="load")
        yield page, wrong


def _foreign(url: str, file: Path) -> list[str]:
    return [] if url == file.resolve().as_uri() or url.startswith("data:") else [f"request: {url}"]


def problems(browser, file: Path, looks: Iterable[str] = tuple(LOOKS)) -> list[str]:
    """All that is wrong with a page, on a phone, on a screen, in the dark and in print; [] if nothing is."""
    found = []
    for look in looks:
        with opened(browser, file, **LOOKS[look]) as (page, wrong):
            if look == "print":
                page.emulate_media(media="print")
            found += [f"{look}: {each}" for each in wrong + _looks_wrong(page)]
    return found


def _looks_wrong(page) -> list[str]:
    wrong = []
    for width, alt, source in page.evaluate(IMAGES):
        if not width:
            wrong.append(f"image does not load: {source}")
        if not alt:
            wrong.append(f"image without an alternative text: {source}")
    across = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    if across > 0:
        wrong.append(f"{across} pixels wider than the window")
    for text, contrast in page.evaluate(CONTRAST):
        if contrast < LEAST_CONTRAST:
            wrong.append(f"contrast {contrast:.1f}: {text[:40]}")
    return wrong
