"""The anatomy of a workflow that really ran shows the waits that it is known to have had."""

import pytest
from waiting_story import PAUSE, WaitingStory, fails_once, takes_its_time

from harness.anatomy import Anatomist
from harness.eventually import eventually
from harness.records.anatomy import Part
from harness.temporal_test import Temporal

pytestmark = pytest.mark.usefixtures("temporal_dev_server")  # it is asynchronous here, and must be there first
WAITED = (Part.TIMERS, Part.ACTIVITY_EXECUTION, Part.ACTIVITY_QUEUE, Part.RETRIES)


async def test_each_wait_of_a_run_is_found_in_its_part(temporal: Temporal) -> None:
    """A timer, an activity, a queue that nobody polls and a retry took what they take; a signal was waited for."""
    async with temporal.worker(workflows=[WaitingStory], activities=[takes_its_time, fails_once]):
        story = await temporal.start(WaitingStory.run)
        await eventually(lambda: story.query(WaitingStory.at_the_end), timeout=30)
        await story.signal(WaitingStory.tell)
        await story.result()
    anatomist = Anatomist()
    events = [event async for event in story.fetch_history_events()]
    for event in events:
        anatomist.tell(event)
    anatomy = anatomist.anatomy()
    assert set(anatomy.seconds) == set(Part) - {Part.UNFINISHED, Part.OTHERS}
    for part in WAITED:
        assert anatomy.seconds[part] >= 0.9 * PAUSE.total_seconds(), part
    took = events[-1].event_time.ToNanoseconds() - events[0].event_time.ToNanoseconds()
    assert anatomy.total == pytest.approx(took / 1e9)
