"""Turns an experiment into a test that can be pasted: it runs the experiment, and wants to see nothing broken."""

import json
import re
from pathlib import Path

from chaos.experiment import Experiment
from chaos.writing import toml_of


def as_test(experiment: Experiment, *, seed: int, target: Path, found: str, failure: str) -> str:
    """Write it as a module with one test, imports and all.

    Args:
        experiment: what to run, as it will be read back by `parsed`.
        seed: of its inputs and arrivals.
        target: the path of temper.toml, from where pytest is called.
        found: one sentence on where the experiment comes from.
        failure: the invariant that was broken, and must be valid.

    """
    return f'''{_literal(found)}

import asyncio
from pathlib import Path

from chaos.experiment import parsed
from chaos.once import run_once
from harness.target import Target

EXPERIMENT = r"""
{toml_of(experiment)}"""


def test_{re.sub(r"[^a-z0-9]+", "_", experiment.name.lower()).strip("_")}(tmp_path: Path) -> None:
    {_literal(experiment.expect)}
    target = Target.read(Path({json.dumps(str(target), ensure_ascii=False)}))
    outcome = asyncio.run(run_once(target, parsed(EXPERIMENT), seed={seed}, results=tmp_path))
    assert outcome.upholds({json.dumps(failure, ensure_ascii=False)}), str(outcome)
'''


def _literal(text: str) -> str:
    """The text as a docstring, or in whatever quotes hold it."""
    plain = text.isprintable() and not {'"', "\\"} & {*text}
    return f'"""{text}"""' if plain else repr(text)
