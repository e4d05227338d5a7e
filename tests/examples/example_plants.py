"""How each example is made to be wrong, or slow: by text that stands in place of other text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plants:
    """Where an example is changed to be wrong: in a file, each old text with a new one."""

    scenario: str
    activity: str
    file: str
    keyless: tuple[tuple[str, str], ...]
    """The first activity's row has no key any more, so a second attempt writes it again."""
    slow: tuple[str, str]
    """The first activity's row takes two seconds to write."""
    losing: tuple[str, str]
    """The second activity writes nothing, and says that it did."""
    lost: str
    hasty: tuple[str, str, str]
    """In this file, the time after which an attempt that nobody hears of is given up; and a shorter one."""


PLANTS = {
    "hello-temporal": Plants(
        scenario="guests-sign",
        activity="enter",
        file="guest_book/book.py",
        keyless=(
            ("workflow_id text PRIMARY KEY, guest", "workflow_id text, guest"),
            ("($1, $2, $3, $4)\n            ON CONFLICT (workflow_id) DO NOTHING", "($1, $2, $3, $4)"),
        ),
        slow=("VALUES ($1, $2, $3, $4)", "SELECT $1, $2, $3, $4::integer FROM pg_sleep(2)"),
        losing=("(workflow_id, text) VALUES ($1, $2)", "(workflow_id, text) SELECT $1, $2::text WHERE $2::text = ''"),
        lost="it completed, and left no row of thank",
        hasty=("guest_book/workflow.py", "timedelta(seconds=10)", "timedelta(seconds=3)"),
    ),
    "hello-go": Plants(
        scenario="parcels-sent",
        activity="Label",
        file="counter.go",
        keyless=(
            ("workflow_id text PRIMARY KEY, destination", "workflow_id text, destination"),
            ("($1, $2, $3)\n\t\tON CONFLICT (workflow_id) DO NOTHING", "($1, $2, $3)"),
        ),
        slow=("VALUES ($1, $2, $3)", "SELECT $1, $2, $3::integer FROM pg_sleep(2)"),
        losing=("(workflow_id, courier) VALUES ($1, $2)", "(workflow_id, courier) SELECT $1, $2 WHERE $2::text = ''"),
        lost="it completed, and left no row of hand over",
        hasty=("parcel.go", "10 * time.Second", "3 * time.Second"),
    ),
}
