"""A file of schedules is right in every entry, or refused as a whole."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system.errors import DeclarationRefused
from system.plugin import WORKFLOWS
from system.scheduling.command import MAINTENANCE, read
from system.scheduling.declaration import LARGEST_INPUT, Declaration, digest, duration, parse
from system.scheduling.render import inputs

RECORDS = inputs(WORKFLOWS)
HEAD = 'name = "file"\n'


def entry(more: str = 'every = "1h"', schedule_id: str = "one", workflow: str = "scheduling.Purge") -> str:
    return f'[[schedules]]\nid = "{schedule_id}"\nworkflow = "{workflow}"\n{more}\n'


def parsed(text: str) -> Declaration:
    return parse(text, RECORDS)


def test_the_maintenance_that_ships_with_the_system_is_right() -> None:
    """Cache warming, the purge, the digest of dead letters, asking about orders in doubt: all workflows of ours."""
    assert {one.workflow for one in read(MAINTENANCE).schedules} == {
        "scheduling.WarmCache",
        "scheduling.Purge",
        "dead_letters.Digest",
        "dead_letters.Redrive",
    }


def test_everything_that_can_be_declared() -> None:
    """Every key at once."""
    text = f"""{HEAD}
    [[schedules]]
    id = "all"
    workflow = "scheduling.Purge"
    input = {{ keep_days = 60 }}
    workflow_id = "other"
    cron = ["30 3 * * mon-fri", "@daily"]
    every = "1h30m"
    offset = "5m"
    calendars = [{{ hour = "9-17/2", day_of_week = "mon-fri", month = "jan,jul" }}]
    skip = [{{ day_of_month = "24", month = "dec" }}]
    time_zone = "Europe/Berlin"
    start_at = 2026-01-01T00:00:00Z
    end_at = 2027-01-01T00:00:00+01:00
    jitter = "30s"
    overlap = "cancel_other"
    catch_up = "2d"
    pause_on_failure = true
    remaining_actions = 3
    run_timeout = "1h"
    paused = true
    note = "why"
    """
    [one] = parsed(text).schedules
    assert (one.every, one.catch_up) == (timedelta(minutes=90), timedelta(days=2))
    assert len(one.cron) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = [\n1 2", "it is not TOML: .*line 2"),
        (entry(), "name: expected a name of the file"),
        (HEAD + "schedule = 1", "schedule: unknown key"),
        (HEAD + "[schedules]", r"schedules: expected a table \[\[schedules\]\]"),
        (HEAD + entry("time_zone = 'Mars/Base'\nevery = '1h'"), "time_zone: unknown time zone 'Mars/Base'"),
        (HEAD + entry("time_zone = 'Local'\nevery = '1h'"), "unknown time zone 'Local'"),
        (HEAD + entry("cron = '61 * * * *'"), "cron.0: minute '61': expected 0 to 59"),
        (HEAD + entry("calendars = [{ hour = '25' }]"), "calendars.0: hour '25'"),
        (HEAD + entry("calendars = [{ day_of_month = '31', month = 'feb' }]"), "it never comes"),
        (HEAD + entry("skip = []"), "it never comes: expected cron, every or calendars"),
        (HEAD + entry("every = '1x'"), "every: '1x': expected a duration such as 90s"),
        (HEAD + entry("every = ''"), "expected a duration such as 90s"),
        (HEAD + entry("every = 5"), "expected a duration such as 90s"),
        (HEAD + entry("every = '0s'"), "every: expected one second or more"),
        (HEAD + entry("every = '1h'\noffset = '1h'"), "offset: expected less than every"),
        (HEAD + entry("every = '1h'\ncatch_up = '1s'"), "catch_up: expected 10s or more"),
        (HEAD + entry("every = '1h'\noverlap = 'sometimes'"), "overlap: input should be"),
        (HEAD + entry("every = '1h'\nremaining_actions = 0"), "remaining_actions:"),
        (HEAD + entry("every = '1h'\nstart_at = 2026-01-01T00:00:00"), "start_at:"),
        (HEAD + entry("every = '1h'\nstart_at = 2026-01-01T00:00:00Z\nend_at = 2025-01-01T00:00:00Z"), "end_at: exp"),
        (HEAD + entry("every = '1h'\nevry = 1"), "evry: unknown key"),
        (
            HEAD + entry(workflow="scheduling.Nothing"),
            "unknown workflow 'scheduling.Nothing': expected one of .*orders",
        ),
        (HEAD + entry("every = '1h'\ninput = { keep_days = 'many' }"), "input.keep_days:"),
        (HEAD + entry("every = '1h'\ninput = { keep_day = 3 }"), "input.keep_day: PurgeRequest has no such field"),
        (HEAD + entry(workflow="orders.Order"), "input.customer:"),
        (HEAD + entry() + entry(), "schedule 'one' is declared 2 times"),
        (
            HEAD + entry() + entry("every = '1h'\nworkflow_id = 'one'", "two"),
            "workflow_id 'one' is that of 2 schedules",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    """The message names the entry, what was wrong and what was expected."""
    with pytest.raises(DeclarationRefused, match=says):
        parsed(text)


def test_every_wrong_entry_is_named_with_its_line() -> None:
    """All of them at once, so that a file is corrected once; entries without a name have their number."""
    text = HEAD + entry("cron = 'x'") + entry(schedule_id="two") + "[[schedules]]\nworkflow = 'none'"
    with pytest.raises(DeclarationRefused) as refused:
        parsed(text)
    message = str(refused.value)
    assert "so nothing was changed" in message
    assert "line 2, schedule 'one': cron.0: 'x' has 1 fields" in message
    assert "line 10, schedule number 3: id:" in message
    assert "two" not in message


def test_an_input_that_would_be_stored_apart_is_refused() -> None:
    """Large payloads are purged one day, and a schedule keeps its input for as long as it exists."""
    text = HEAD + entry(
        f'every = "1h"\ninput = {{ reason = "r", by = "b", letters = [{"1," * LARGEST_INPUT}1] }}',
        workflow="dead_letters.Redrive",
    )
    with pytest.raises(DeclarationRefused, match=r"input.letters|hand over where it is"):
        parsed(text)
    file = "/a/" + "x" * 1000
    sources = ",".join(f"'{file}{number}'" for number in range(20))
    schema = "schema = { dataset = 'd', fields = [{ name = 'a' }] }"
    with pytest.raises(DeclarationRefused, match="hand over where it is instead"):
        parsed(
            HEAD + entry(f"every = '1h'\ninput = {{ sources = [{sources}], {schema} }}", workflow="pipeline.Pipeline")
        )


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    """Days, hours, minutes and seconds, in this order."""
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert duration(f"{days}d{hours}h{minutes}m{seconds}s") == span


def test_the_digest_changes_with_what_matters_alone() -> None:
    """How the file is written, whether the schedule begins paused and its note make no update; all else does."""
    [plain] = parsed(HEAD + entry('every = "60m"')).schedules
    [same] = parsed(HEAD + entry('every = "1h"\npaused = true\nnote = "n"\noverlap = "skip"')).schedules
    assert digest(plain, "q") == digest(same, "q")
    for more in ("every = '2h'", "every = '1h'\njitter = '1s'", "every = '1h'\ninput = { keep_days = 9 }"):
        [other] = parsed(HEAD + entry(more)).schedules
        assert digest(other, "q") != digest(plain, "q")
    assert digest(plain, "another queue") != digest(plain, "q")
