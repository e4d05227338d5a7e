"""Which objectives a target's runs are held to: its own, where its temper.toml names a file of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from harness.errors import CannotRun
from temper.options import DEFAULT_TARGET

if TYPE_CHECKING:
    from reports.objectives import Policy


class _Named(Struct):
    """As much of temper.toml as says where they are."""

    objectives: str | None = None


def policy_of_target(target: Path) -> "Policy":
    """Those that a temper.toml names, or Temper's own; it is not loaded for that. Raises CannotRun."""
    import msgspec

    if target == DEFAULT_TARGET and not target.exists():
        return policy_of(None)
    try:
        named = msgspec.toml.decode(target.read_bytes(), type=_Named).objectives
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise CannotRun(
            f"{target}: {error}", remedy="It says which objectives count; --target names another."
        ) from error
    return policy_of(target.parent / named if named else None)


def policy_of(path: Path | None) -> "Policy":
    """The objectives and waivers of a file, or Temper's own. Raises CannotRun."""
    from reports.objectives import OBJECTIVES, BadObjectives, policy

    try:
        return policy(path or OBJECTIVES)
    except BadObjectives as error:
        raise CannotRun(str(error), remedy="docs/gate.md says what may stand there.") from error
