"""What the outside world counted: calls that have an effect there, by the key that was to make it one effect."""

from msgspec import Struct


class Call(Struct, frozen=True, kw_only=True):
    """The calls that one activity of one workflow made with one idempotency key."""

    workflow_id: str
    activity: str
    """The type of the activity, each of whose attempts may make one such call."""
    key: str
    """Empty where the calls had none."""
    calls: int
    """How often it was called with that key."""
    effects: int
    """How often that took effect."""
