"""The page that Locust's web UI has of ours: percentiles from histograms, while the load runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from loadtests.leader import Leader

COLUMNS: Mapping[str, str] = {
    "loop": "Loop",
    "call": "Call",
    "calls": "# Calls",
    "failures": "# Failures",
    "p50": "p50 (ms)",
    "p90": "p90 (ms)",
    "p99": "p99 (ms)",
    "p999": "p99.9 (ms)",
}
"""What each column of the table is called; times are from the intended start."""
PERCENTS = {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9}

_TEMPLATE = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
    Path(__file__).with_name("live.html.j2").read_text()
)


def rows(leader: Leader) -> Sequence[Mapping[str, Any]]:
    """A row for each kind of call; a percentile that falls on no good answer is "none answered"."""
    return [
        {
            "loop": loop,
            "call": call,
            "calls": line.calls,
            "failures": line.failures,
            **{name: _milliseconds(line.percentile(percent)) for name, percent in PERCENTS.items()},
        }
        for (loop, call), line in leader.tally.sorted()
    ]


def page(leader: Leader, *, judged: bool) -> str:
    """The page, which loads itself again; `judged` is whether the run's report can be read."""
    return _TEMPLATE.render(columns=COLUMNS, rows=rows(leader), plan=leader.plan, share=leader.share, judged=judged)


def _milliseconds(seconds: float | None) -> float | str:
    return "none answered" if seconds is None else round(seconds * 1e3, 1)
