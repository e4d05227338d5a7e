"""The harness's errors say what was wrong and what to do."""

import pytest

from harness.errors import CannotRun, HarnessError, PortInUse, ProxyFailed, ServiceFailed, UnknownName


def test_what_the_user_can_put_right_is_told_apart() -> None:
    """Every error a user can cause is a CannotRun; a failing proxy is not."""
    assert issubclass(PortInUse, CannotRun)
    assert issubclass(ProxyFailed, HarnessError)
    assert not issubclass(ProxyFailed, CannotRun)


def test_the_problem_comes_first_and_the_remedy_after_it() -> None:
    """The text is the problem, then what to do; without a remedy it is the problem alone."""
    assert str(CannotRun("It is broken.", remedy="Mend it.")) == "It is broken.\nMend it."
    assert str(CannotRun("It is broken.")) == "It is broken."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("postgre", "There is no service 'postgre'.\nDid you mean 'postgres'? Known: postgres, redis."),
        ("kafka", "There is no service 'kafka'.\nKnown: postgres, redis."),
    ],
)
def test_an_unknown_name_lists_the_known_ones(name: str, text: str) -> None:
    """A name that does not exist is answered with those that do, and with the nearest where one is near."""
    assert str(UnknownName("service", name, ["redis", "postgres"])) == text


def test_a_failed_service_quotes_its_log() -> None:
    """The last lines stand in the message, and where the rest is."""
    error = ServiceFailed("redis", "ended", log_path="/logs/redis.log", last_lines=["one", "two"])
    assert str(error) == "redis ended. The last lines of its log:\n    one\n    two\nThe whole log: /logs/redis.log"


def test_a_failed_service_that_wrote_nothing_says_so() -> None:
    """An empty log is named as such, not shown as nothing."""
    assert "(it wrote nothing)" in str(ServiceFailed("redis", "ended", log_path="x"))
