"""How figures are written: lengths of time, shares, amounts of memory, moments."""

from datetime import UTC, datetime

from harness.checking.objectives import shown


def duration(seconds: float | None) -> str:
    """A length of time in the unit that reads best; "—" where there is none."""
    if seconds is None:
        return "—"
    if abs(seconds) >= 120:
        return shown(seconds / 60, "min")
    if abs(seconds) >= 1:
        return shown(seconds, "s")
    if abs(seconds) >= 1e-3 or seconds == 0:
        return shown(seconds * 1e3, "ms")
    return shown(seconds * 1e6, "µs")


def count(number: float) -> str:
    """A whole number with its thousands grouped."""
    return f"{number:,.0f}"


def things(number: int, noun: str, plural: str = "") -> str:
    """A counted noun: "1 attempt", "2 attempts", "3 retries"."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def share(part: float, whole: float) -> str:
    """A part of a whole in per cent. What is neither none nor all of it never reads as 0 % or 100 %."""
    if whole == 0:
        return "—"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %".replace(".0 %", " %")


def memory(size: int) -> str:
    """An amount of memory in binary gigabytes."""
    return f"{size / 2**30:.1f} GiB"


def bytes_of(size: float) -> str:
    """An amount of memory that one process uses, in binary megabytes."""
    return shown(size / 2**20, "MiB")


def percent(value: float) -> str:
    """A figure that is in per cent already, to one of them; what is below reads so."""
    return "< 1 %" if 0 < value < 1 else f"{value:,.0f} %"


def moment(seconds: float) -> str:
    """A moment by the calendar, in UTC."""
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%-d %B %Y, %H:%M:%S} UTC"
