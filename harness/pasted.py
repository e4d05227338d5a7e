"""Turns the steps that Hypothesis prints of a failing state machine into a test that can be pasted and run."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

FIRST = re.compile(r"state = \w+\(\)")
ENUM = re.compile(r"<([A-Za-z_]\w*\.\w+): [^<>]*>")
"""The repr of an enum's member, with its value."""
LAST = "state.teardown()"


def steps(notes: Sequence[str], invariants: Iterable[str] = ()) -> list[str] | None:
    """Pick the steps from an exception's notes; None where there are none.

    Hypothesis tells every check of every invariant: only one that is the last step is kept, which may be what failed.
    """
    first = next((index for index, note in enumerate(notes) if FIRST.fullmatch(note)), None)
    if first is None:
        return None
    told = [note for note in notes[first + 1 :] if note.startswith("state.") or " = state." in note]
    checks = {f"state.{name}()" for name in invariants}
    told = [ENUM.sub(r"\1", note) for note in told if note != LAST]
    return [note for index, note in enumerate(told) if note not in checks or index == len(told) - 1]


def as_test(
    machine: type, steps: Sequence[str], *, given: Sequence[str] = (), marks: Mapping[str, object] | None = None
) -> str:
    """Write the steps as a module with one test, imports and all.

    Args:
        machine: whose steps they are.
        steps: as Hypothesis prints them, such as ``state.deposit(cents=3)``.
        given: names of the fixtures that the machine is made with.
        marks: what the test's ``temporal`` marker says.

    """
    marker = ", ".join(f"{name}={value!r}" for name, value in (marks or {}).items())
    arguments = "".join(f", {name}={name}" for name in given)
    body = [line for step in steps for line in _lines(step)] or ["pass"]
    return "\n".join(
        [
            *_imports(machine, steps, marked=bool(marker)),
            "",
            "",
            *([f"@pytest.mark.temporal({marker})"] if marker else []),
            f"def test_{_snake(machine.__name__)}_again({', '.join(['temporal_model', *given])}):",
            f"    with temporal_model.script({machine.__name__}{arguments}) as state:",
            *(f"        {line}" for line in body),
            "",
        ]
    )


def _lines(step: str) -> list[str]:
    if _parsed(step) is not None:
        return step.splitlines()
    return ["# An argument whose repr is not Python:", *(f"# {line}" for line in step.splitlines()), "..."]


def _imports(machine: type, steps: Sequence[str], *, marked: bool) -> Iterator[str]:
    scope = vars(sys.modules[machine.__module__])
    modules = {"pytest"} if marked else set()
    names = {machine.__module__: {machine.__name__}}
    for name in sorted(_free(steps)):
        value: Any = scope.get(name)
        if value is None or isinstance(value, type(sys)):
            modules |= {name} & sys.modules.keys()
        else:
            names.setdefault(getattr(value, "__module__", machine.__module__), set()).add(name)
    yield from (f"import {name}" for name in sorted(modules))
    yield from (f"from {module} import {', '.join(sorted(those))}" for module, those in sorted(names.items()))


def _free(steps: Sequence[str]) -> set[str]:
    trees = [tree for step in steps if (tree := _parsed(step)) is not None]
    names = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return {name.id for name in names} - bound - {"state"} - vars(builtins).keys()


def _parsed(step: str) -> ast.Module | None:
    try:
        return ast.parse(step)
    except SyntaxError:
        return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
