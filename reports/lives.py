"""What everybody got over time: each iteration from its intended start to its answer, and below them each call."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from harness.checking.responses import Outcome, Response
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Kind, Operation
from reports.figures import duration, things
from reports.svg import Scale, add, bars, dots, drawing, hint, linear, markup
from reports.timeline import LABEL, LEFT, Frame, Span, draw_time_axis, draw_windows, label_lanes

PITCH, HIGHEST, LOWEST = 2.4, 260.0, 60.0
"""Pixels from one iteration to the next, where all of them fit into the highest that the plot may be; the lowest."""
LANE, BETWEEN = 20.0, 14.0
"""Pixels that a lane of calls is high, and between the iterations and the first of them."""


def lives(
    found: Sequence[Response],
    operations: Sequence[Operation],
    windows: Sequence[FaultWindow],
    limit: float,
    *,
    width: float = 960,
) -> str:
    """Every iteration is a line, the first on top; one that took longer than `limit` seconds is drawn as late.

    Below, a lane for each kind of call, with a tick where the answer came; crosses are refusals, rings calls of which
    nobody knows what became.
    """
    span = span_of(found, windows)
    lanes = [kind for kind in Kind if any(operation.kind is kind for operation in operations)]
    shown = [window for window in windows if span.shows(window)]
    top = 12 + LABEL * label_lanes(shown, span, width)
    height = min(HIGHEST, max(LOWEST, PITCH * len(found)))
    frame = Frame(left=LEFT, right=width - 10, top=top, bottom=top + height + BETWEEN + LANE * len(lanes))
    svg = drawing(
        f"lives-{width:g}",
        width,
        frame.bottom + 44,
        title="Iterations and their calls over time",
        description=_described(found, operations, limit),
    )
    x = linear((span.since, span.until), (frame.left, frame.right))
    draw_windows(svg, shown, span, x, frame)
    draw_time_axis(svg, span, x, frame, "seconds since the load began")
    add(svg, "text", "iterations", class_="tick end", x=frame.left - 8, y=top + 10)
    _draw_iterations(svg, found, limit, span, x, linear((0, len(found)), (top, top + height)))
    for number, kind in enumerate(lanes):
        calls = [operation for operation in operations if operation.kind is kind]
        _draw_calls(svg, kind, calls, x, frame, top + height + BETWEEN + LANE * (number + 0.5))
    return markup(svg)


def span_of(found: Sequence[Response], windows: Sequence[FaultWindow]) -> Span:
    """From the first intended start to the last answer, or the heal of the last fault that began by then."""
    since = min(response.intended for response in found)
    until = max(response.intended if response.answered is None else response.answered for response in found)
    healed = [window.healed for window in windows if window.in_force and window.injected <= until]
    return Span(since=since, until=max([until, since + 0.1, *healed]))


def _draw_iterations(svg: Element, found: Sequence[Response], limit: float, span: Span, x: Scale, y: Scale) -> None:
    by_class: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for number, response in enumerate(found):
        # Half pixels, so that thousands of lines are drawn as some hundreds.
        level = round(2 * y(number + 0.5)) / 2
        end = span.until if response.answered is None else response.answered
        by_class[_class(response, limit)].append((x(response.intended), x(end), level))
    # Whoever was refused has no line, and a cross alone.
    for name in ("run", "retried", "lost"):
        if by_class[name]:
            add(svg, "path", class_=f"bar thin {name}", d=bars(by_class[name]))
    for number, response in enumerate(found):
        if response.outcome is Outcome.FAILED:
            _draw_cross(
                svg,
                x(response.intended if response.answered is None else response.answered),
                y(number + 0.5),
                _told(response),
            )


def _class(response: Response, limit: float) -> str:
    if response.time is None:
        return "lost" if response.outcome is Outcome.UNANSWERED else "refused"
    return "retried" if response.time > limit else "run"


def _draw_calls(svg: Element, kind: Kind, calls: Sequence[Operation], x: Scale, frame: Frame, y: float) -> None:
    add(svg, "text", kind, class_="tick end", x=frame.left - 8, y=y + 4)
    add(svg, "line", class_="grid", x1=frame.left, x2=frame.right, y1=y, y2=y)
    answered = [(x(call.acknowledged), y) for call in calls if call.ack is Ack.OK and call.acknowledged is not None]
    add(svg, "path", class_="dots many", d=dots(answered))
    for call in calls:
        at = min(x(call.sent if call.ended is None else call.ended), frame.right)
        if call.ack is Ack.FAIL:
            _draw_cross(svg, at, y, f"{call.workflow_id}: {call.error or 'refused'}")
        elif call.ack is Ack.INFO:
            ring = add(svg, "circle", class_="ring", cx=at, cy=y, r=4)
            hint(ring, f"{call.workflow_id}: nobody knows what became of it")


def _draw_cross(svg: Element, x: float, y: float, words: str) -> None:
    hint(add(svg, "path", class_="mark", d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"), words)


def _told(response: Response) -> str:
    return f"{response.scenario}, iteration {response.iteration}: {response.outcome}"


def _described(found: Sequence[Response], operations: Sequence[Operation], limit: float) -> str:
    classes = Counter(_class(response, limit) for response in found)
    acks = Counter(operation.ack for operation in operations)
    iterations = (
        f"{things(len(found), 'iteration')}: {classes['run']} answered within {duration(limit)}, "
        f"{classes['retried']} later, {classes['lost']} never, {classes['refused']} refused."
    )
    calls = (
        f"{things(len(operations), 'call')}: {acks[Ack.OK]} ok, {acks[Ack.FAIL]} refused, {acks[Ack.INFO]} not known."
    )
    return f"{iterations} {calls}"
