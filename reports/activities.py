"""Activity attempts over time: one lane a type, one bar an activity, the retried ones marked."""

from collections.abc import Sequence
from itertools import accumulate
from xml.etree.ElementTree import Element

from harness.records.faults import FaultWindow
from harness.records.workflows import Activity, WorkflowRun
from reports.figures import duration, things
from reports.svg import Scale, add, bars, drawing, hint, linear, markup
from reports.timeline import LABEL, LEFT, Frame, Span, draw_time_axis, draw_windows, label_lanes

ROWS = 14
"""At most so many bars of one type below each other; further ones share the row that is free soonest."""
PITCH = 5.0
HEAD = 26.0
FOOT = 8.0


def activities_within(runs: Sequence[WorkflowRun], span: Span | None = None) -> list[Activity]:
    """The activities of these runs that touch the span, in the order they were scheduled."""
    found = [activity for run in runs for activity in run.activities]
    if span is not None:
        found = [a for a in found if a.scheduled < span.until and _end(a, span) > span.since]
    return sorted(found, key=lambda activity: (activity.scheduled, activity.activity_id))


def span_of(activities: Sequence[Activity]) -> Span:
    """From the first that was scheduled to the last that closed, and a tenth of a second at least."""
    since = min(activity.scheduled for activity in activities)
    closed = [activity.closed for activity in activities if activity.closed is not None]
    return Span(since=since, until=max([since + 0.1, *closed]))


def attempts(activities: Sequence[Activity], span: Span, windows: Sequence[FaultWindow], *, width: float = 960) -> str:
    """A lane for each type of activity; a bar from scheduled to closed, darker where its last attempt ran."""
    lanes: dict[str, list[Activity]] = {}
    for activity in activities:
        lanes.setdefault(activity.type, []).append(activity)
    packed = [_packed(found, span) for found in lanes.values()]
    heights = [HEAD + PITCH * (max(rows) + 1) + FOOT for rows in packed]
    shown = [window for window in windows if span.shows(window)]
    top = 12 + LABEL * label_lanes(shown, span, width)
    frame = Frame(left=LEFT if width > 600 else 12, right=width - 10, top=top, bottom=top + sum(heights))
    svg = drawing(
        f"attempts-{width:g}",
        width,
        frame.bottom + 44,
        title="Activity attempts over time",
        description=_described(activities, lanes),
    )
    x = linear((span.since, span.until), (frame.left, frame.right))
    draw_windows(svg, shown, span, x, frame)
    draw_time_axis(svg, span, x, frame, "seconds, by the server's clock")
    tops = accumulate(heights, initial=frame.top)
    for (name, found), rows, above in zip(lanes.items(), packed, tops, strict=False):
        _draw_head(svg, name, found, frame, above)
        _draw_bars(svg, found, [above + HEAD + PITCH * row for row in rows], span, x)
    return markup(svg)


def _packed(found: Sequence[Activity], span: Span) -> list[int]:
    """The row of each activity: the first that is free when it is scheduled, else the one that is free soonest."""
    free: list[float] = []
    rows = []
    for activity in found:
        row = next((number for number, end in enumerate(free) if end <= activity.scheduled), len(free))
        if row == ROWS:
            row = free.index(min(free))
        if row == len(free):
            free.append(0.0)
        free[row] = _end(activity, span)
        rows.append(row)
    return rows


def _draw_head(svg: Element, name: str, found: Sequence[Activity], frame: Frame, above: float) -> None:
    retries = sum(max(0, activity.attempts - 1) for activity in found)
    told = things(len(found), "activity", "activities")
    if retries:
        told += f", {things(retries, 'retry', 'retries')}"
    add(svg, "line", class_="grid", x1=frame.left, x2=frame.right, y1=above, y2=above)
    add(svg, "text", name, class_="lane", x=frame.left, y=above + 16)
    add(svg, "text", told, class_="tick end", x=frame.right, y=above + 16)


def _draw_bars(svg: Element, found: Sequence[Activity], levels: Sequence[float], span: Span, x: Scale) -> None:
    waits, runs = [], []
    for activity, y in zip(found, levels, strict=True):
        left, right = x(max(activity.scheduled, span.since)), x(min(_end(activity, span), span.until))
        if activity.attempts > 1:
            continue
        waits.append((left, right, y))
        if activity.started is not None:
            runs.append((max(left, x(activity.started)), right, y))
    add(svg, "path", class_="bar wait", d=bars(waits))
    add(svg, "path", class_="bar run", d=bars(runs))
    for activity, y in zip(found, levels, strict=True):
        if activity.attempts > 1:
            left, right = x(max(activity.scheduled, span.since)), x(min(_end(activity, span), span.until))
            bar = add(svg, "path", class_="bar retried", d=bars([(left, right, y)]))
            took = duration(_end(activity, span) - activity.scheduled)
            hint(bar, f"{activity.type}: {activity.attempts} attempts, {took}. {activity.last_failure or ''}")


def _end(activity: Activity, span: Span) -> float:
    return span.until if activity.closed is None else activity.closed


def _described(activities: Sequence[Activity], lanes: dict[str, list[Activity]]) -> str:
    retried = sum(activity.attempts > 1 for activity in activities)
    told = things(len(activities), "activity", "activities")
    return f"{told} of {things(len(lanes), 'type')}; {retried} of them needed more than one attempt."
