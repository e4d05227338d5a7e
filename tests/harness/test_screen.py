"""What the person sees: bars on a terminal, lines in a pipe."""

from dataclasses import dataclass

import pytest

from harness.screen import Screen


@dataclass
class Progress:
    """How far a load is."""

    planned: int
    started: int
    ended: int


def test_a_pipe_gets_a_line_for_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    """However often progress is told, ten lines come of it, the last with everything ended."""
    screen = Screen()
    screen.terminal = False
    show = screen.progress("small")
    for number in range(1, 101):
        show(Progress(planned=100, started=number, ended=number))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "small: 100/100 started, 100 ended"


def test_a_terminal_gets_a_bar_and_the_lines_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The bar names the scenario and how many ended; what is said meanwhile is not lost in it; then it is gone."""
    screen = Screen()
    screen.terminal = True
    show = screen.progress("small")
    show(Progress(planned=10, started=10, ended=4))
    screen.say("the link [is] cut")
    show(Progress(planned=10, started=10, ended=10))
    screen.say("done")
    err = capsys.readouterr().err
    assert "the link [is] cut" in err
    assert "small" in err
    assert "10/10" in err
    assert err.endswith("done\n")
