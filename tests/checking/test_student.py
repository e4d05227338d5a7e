"""Student's t distribution, beside what the tables say."""

import pytest

from harness.checking.student import critical, outside


@pytest.mark.parametrize(
    ("chance", "degrees", "limit"),
    [
        (0.05, 1, 12.706),
        (0.05, 2, 4.303),
        (0.05, 3, 3.182),
        (0.05, 19, 2.093),
        (0.05, 38, 2.024),
        (0.01, 30, 2.750),
        (0.001, 10, 4.587),
        (0.5, 1, 1.0),
    ],
)
def test_critical_values_are_those_of_the_tables(chance: float, degrees: int, limit: float) -> None:
    """Two-sided, to three digits after the point."""
    assert critical(chance, degrees) == pytest.approx(limit, abs=6e-4)
    assert outside(limit, degrees) == pytest.approx(chance, rel=1e-3)


def test_what_has_no_critical_value_is_refused() -> None:
    """A chance that is none, or nothing to estimate a spread from."""
    for chance, degrees in ((0.0, 5), (1.0, 5), (0.05, 0)):
        with pytest.raises(ValueError, match="no critical value"):
            critical(chance, degrees)
