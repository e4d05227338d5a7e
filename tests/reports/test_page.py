"""Whoever reads a page by ear, by keyboard or on paper finds everything in it, with and without a script."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from handwritten_runs import cut, fact, iteration, whole_run, write_run
from pages import Page

from reports.document import TEMPLATES
from reports.html import judge_and_write, write_report

MOST_SCRIPT = 10_000
"""Bytes."""


@pytest.fixture(params=["one run", "two runs", "an empty run"])
def html(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    run = write_run(tmp_path) if request.param == "an empty run" else whole_run(tmp_path)
    path = tmp_path / "page.html"
    judge_and_write([run, run] if request.param == "two runs" else [run], path)
    return path.read_text(encoding="utf-8")


def test_headings_begin_at_one_and_leave_no_level_out(html: str) -> None:
    """There is one of the first level, and each is at most one below that before it."""
    levels = [level for level, _ in Page(html).headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(words for _, words in Page(html).headings)


def test_landmarks_are_there_once_and_the_first_link_skips_to_the_report(html: str) -> None:
    """Header, contents, report and footer; what is tabbed to first leads past the contents."""
    told = Page(html)
    for tag in ("header", "main", "footer", "title"):
        assert told.tags.count(tag) >= 1, tag
    assert told.tags.count("main") == 1
    assert next(address for address in told.addresses if address.startswith("#")) == "#main"
    assert all("aria-label=" in tag for tag in re.findall(r"<nav[^>]*>", html))


def test_every_header_of_a_table_says_what_it_heads(html: str) -> None:
    """Column, row, or a group of them."""
    heads = re.findall(r"<th\b[^>]*>", html)
    assert heads
    assert [head for head in heads if "scope=" not in head] == []


def test_every_picture_has_words_or_is_only_beside_them(html: str) -> None:
    """A title and a description, or nothing that is read out."""
    for picture in re.findall(r"<svg\b.*?</svg>", html, re.DOTALL):
        assert 'aria-hidden="true"' in picture.partition(">")[0] or ("<title" in picture and "<desc" in picture)


def test_each_part_says_how_to_get_it_again(tmp_path: Path) -> None:
    """Beside every part that was measured is the command, as text that can be selected."""
    html = write_report(whole_run(tmp_path)).read_text(encoding="utf-8")
    for part in (
        "objectives",
        "latency",
        "anatomy",
        "load",
        "tuning",
        "faults",
        "books",
        "invariants",
        "data",
        "slowest",
    ):
        (section,) = re.findall(rf'<section id="{part}">.*?</section>', html, re.DOTALL)
        assert re.search(r'<code class="command">temper (demo --seed 7|gate demo-\S+)</code>', section), part


def test_the_script_is_strict_small_and_asks_nobody() -> None:
    """No request, no markup made of words, no code made of words: what was recorded stays words."""
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    assert script.startswith('"use strict";')
    assert len(script.encode()) < MOST_SCRIPT
    assert not re.search(
        r"fetch|XMLHttpRequest|WebSocket|import\(|innerHTML|outerHTML|insertAdjacent|eval|Function\(", script
    )


def test_nothing_ends_the_style_or_the_script_early() -> None:
    """Neither holds a tag, and brackets close as they open."""
    for path in (*TEMPLATES.glob("*.css"), TEMPLATES / "report.js"):
        text = path.read_text(encoding="utf-8")
        assert "</" not in text, path
        assert text.count("{") == text.count("}"), path
        assert text.count("(") == text.count(")"), path


def test_every_colour_of_the_light_page_has_one_on_the_dark() -> None:
    """And nothing is drawn in a colour that neither has."""
    light, dark = (
        set(re.findall(r"(--[\w-]+):", (TEMPLATES / f"{name}.css").read_text())) for name in ("light", "dark")
    )
    assert light - dark == {"--sans", "--mono"}
    used = {name for path in TEMPLATES.glob("*.css") for name in re.findall(r"var\((--[\w-]+)", path.read_text())}
    assert used - light == {"--part", "--verdict", "--tint"}


def test_every_series_of_a_legend_is_drawn_below_it(tmp_path: Path) -> None:
    """A switch without a line would do nothing; failures and silence are in the legend only where they are drawn."""
    operations = [op for n in range(30) for op in iteration(n, n / 3, 0.1 if n % 7 else None)]
    run = write_run(tmp_path, [*operations, cut(2, 4), fact(0, 1, 1)], load={"slice": (3.0, 10.0)}, kind="load")
    html = write_report(run).read_text(encoding="utf-8")
    latency = re.findall(r'<section id="(?:latency|load)">.*?</section>', html, re.DOTALL)
    figures = [figure for part in latency for figure in re.findall(r"<figure>.*?</figure>", part, re.DOTALL)]
    assert len(figures) == 4
    for figure in figures:
        for series in re.findall(r'data-series="([^"]*)"', figure):
            assert re.search(rf'<\w+ class="(?:[^"]* )?{series}(?: [^"]*)?"', figure.partition("</figcaption>")[2]), (
                series
            )
