"""Folded stacks become a table of functions and a picture, in which what ran is as wide as it was often seen."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from handwritten_runs import write_run

from harness.records.run import Recorded
from reports.flames import flame_graph, profiles, read_stacks
from reports.html import render

SVG = "{http://www.w3.org/2000/svg}"
FOLDED = """\
main (app.py);load (app.py);parse (json/decoder.py) 60
main (app.py);load (app.py) 30
main (app.py) 10
main (app.py);EpollSelector.select (selectors.py) 500
Thread.run (threading.py);_worker (concurrent/futures/thread.py) 400
not a stack
broken <b>&</b> (x.py) 20
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run with a profile of one worker, and of a process that was never seen to run."""
    made = write_run(tmp_path, kind="load")
    (made / "profiles").mkdir()
    (made / "profiles" / "worker-1.folded").write_text(FOLDED)
    (made / "profiles" / "client.folded").write_text("")
    return made


def test_what_waits_is_no_work(directory: Path) -> None:
    """Nor is a line that is no stack."""
    stacks = read_stacks(directory / "profiles" / "worker-1.folded")
    assert sum(stacks.values()) == 120
    assert stacks["main (app.py)", "load (app.py)"] == 30


def test_functions_count_by_what_they_themselves_took(directory: Path) -> None:
    """Not by what they called, which is counted for itself."""
    (profile,) = profiles(directory)
    assert (profile.process, profile.looks, profile.link) == ("worker-1", 120, "profiles/worker-1.svg")
    assert [(each.name, round(each.share, 3)) for each in profile.functions] == [
        ("parse (json/decoder.py)", 0.5),
        ("load (app.py)", 0.25),
        ("broken <b>&</b> (x.py)", 0.167),
        ("main (app.py)", 0.083),
    ]


def test_a_frame_is_as_wide_as_it_was_seen(directory: Path) -> None:
    """And stands on what called it, within its width."""
    picture = flame_graph(read_stacks(directory / "profiles" / "worker-1.folded"), "worker-1")
    boxes = {}
    for group in ET.fromstring(picture).iter(f"{SVG}g"):
        rect, title = group.find(f"{SVG}rect"), group.find(f"{SVG}title")
        assert rect is not None
        assert title is not None
        boxes[(title.text or "").rpartition(" ")[0]] = {key: float(rect.get(key) or 0) for key in ("x", "y", "width")}
    main, load, parse = (boxes[name] for name in ("main (app.py)", "load (app.py)", "parse (json/decoder.py)"))
    assert main["width"] == pytest.approx(1_000, abs=1)
    assert load["width"] == pytest.approx(900, abs=1)
    assert parse["width"] == pytest.approx(600, abs=1)
    assert main["y"] > load["y"] > parse["y"]
    assert main["x"] <= load["x"] <= parse["x"]
    assert parse["x"] + parse["width"] <= main["x"] + main["width"] + 1


def test_the_report_leads_to_the_picture(directory: Path) -> None:
    """Which is drawn then; names are text and never markup."""
    page = render(Recorded(directory))
    assert 'href="profiles/worker-1.svg"' in page
    assert "broken &lt;b&gt;&amp;&lt;/b&gt;" in page
    assert (directory / "profiles" / "worker-1.svg").exists()
    assert "client" not in page.partition("Where the processor went")[2].partition("</section>")[0]
