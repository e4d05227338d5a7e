"""The person at the terminal, or whoever reads the pipe."""

from harness.screen import Screen

screen = Screen()
