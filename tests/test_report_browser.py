"""The HTML reports as a browser shows them: on a phone, in the dark, on paper, with a keyboard and a screen reader."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.records import Status
from grader.report import render_class, render_student
from tests.browser import Browser, find_chromium
from tests.test_report import HEADING, attention, roster

LONG = "a_very_long_name_without_any_blank_" * 5
VIEWS = [
    (360, False, ""),
    (360, True, ""),
    (768, False, ""),
    (1200, False, ""),
    (1200, True, ""),
    (700, False, "print"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all the tests of this file."""
    chromium = find_chromium()
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: install the package `chromium` on this machine")
        pytest.skip("no Chromium on this machine")
    with Browser(chromium) as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of every kind, as files."""
    folder = tmp_path_factory.mktemp("reports")
    long = attention(submission=LONG, message=LONG, notes=(LONG,), output=LONG * 9)
    texts = {
        "mixed": render_student(HEADING, attention())["report.html"],
        "long": render_student(HEADING, long)["report.html"],
        "error": render_student(HEADING, attention(status=Status.ERROR, checks=(), message=LONG))["report.html"],
        "class": render_class(HEADING, [*roster(30), long])["class.html"],
    }
    made = {name: folder / f"{name}.html" for name in texts}
    for name, text in texts.items():
        made[name].write_text(text, encoding="utf-8")
    return made


@pytest.mark.parametrize("name", ["mixed", "long", "error", "class"])
@pytest.mark.parametrize(("width", "dark", "media"), VIEWS)
def test_nothing_overflows_and_nothing_is_refused(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, name: str, width: int, dark: bool, media: str
) -> None:
    browser.open(pages[name], width=width, dark=dark, media=media)
    browser.picture(tmp_path / "page.png")
    assert browser.run("document.documentElement.scrollWidth") <= width
    outside = f"[...document.querySelectorAll('main *')].filter(e => !e.closest('.unseen, thead') && e.getClientRects().length && e.getBoundingClientRect().right > {width} + 0.5).map(e => e.outerHTML.slice(0, 80))"  # noqa: E501  # one expression
    assert browser.run(outside) == []
    assert browser.complaints == []
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_pictures_have_a_size_and_a_name(browser: Browser, pages: dict[str, Path]) -> None:
    for width in (360, 1200):
        browser.open(pages["mixed"], width=width)
        sizes = browser.run(
            "[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect()).map(r => r.width * r.height)"
        )
        assert len(sizes) > 12
        assert min(sizes) > 0
        maps = browser.run("[...document.querySelectorAll('svg.map')].map(e => e.getBoundingClientRect().width)")
        assert len(maps) == 6
        assert min(maps) > 200
    tree = browser.ask("Accessibility.getFullAXTree")["nodes"]
    names = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "image"]
    assert sum(name.startswith(("Yours:", "Expected:", "Difference:")) for name in names) == 6


def test_screen_readers_find_landmarks_headings_and_tables(browser: Browser, pages: dict[str, Path]) -> None:
    for name in ("mixed", "class"):
        browser.open(pages[name])
        tree = browser.ask("Accessibility.getFullAXTree")["nodes"]
        roles = [node["role"]["value"] for node in tree if not node.get("ignored")]
        assert {"main", "heading", "table", "caption", "list", "contentinfo"} <= {role.lower() for role in roles}
        levels = browser.run("[...document.querySelectorAll('h1, h2, h3, h4')].map(e => +e.tagName[1])")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_first_tab_offers_to_skip(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["mixed"])
    for kind in ("keyDown", "keyUp"):
        browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.run("document.activeElement.className") == "skip"
    assert browser.run("document.activeElement.getBoundingClientRect().left") >= 0


def test_dark_is_dark_and_paper_is_light(browser: Browser, pages: dict[str, Path]) -> None:
    colours = []
    for dark, media in ((False, ""), (True, ""), (True, "print")):
        browser.open(pages["mixed"], dark=dark, media=media)
        colours.append(browser.run("getComputedStyle(document.querySelector('.card')).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(26, 32, 41)", "rgb(255, 255, 255)"]


def test_printed_output_is_folded_on_screen_and_open_on_paper(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    seen = "document.querySelector('.printed pre').checkVisibility({contentVisibilityAuto: true})"
    browser.open(pages["mixed"])
    assert browser.run(seen) is False
    browser.open(pages["mixed"], media="print")
    assert browser.run(seen) is True
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_the_head_of_the_class_table_stays_in_sight(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["class"])
    browser.run("document.querySelector('.roster tbody tr:nth-child(20)').scrollIntoView({behavior: 'instant'})")
    assert browser.run("Math.round(document.querySelector('.roster thead th').getBoundingClientRect().top)") == 0


def test_a_script_would_not_run(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "attacked.html"
    text = pages["mixed"].read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", "<script>document.title = 'gone'</script></main>"), encoding="utf-8")
    browser.open(page)
    assert browser.run("document.title") != "gone"
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)
