"""An experiment becomes a test that can be pasted."""

import ast
from pathlib import Path

import msgspec
import pytest

from chaos.experiment import find, parsed
from chaos.pasted import as_test


def test_it_reads_as_a_person_would_have_written_it() -> None:
    """What it is, what a correct system does, the experiment as a file, and what is wanted of it."""
    found = "Shrunk from a run."
    text = as_test(find("postgres-cut"), seed=7, target=Path("mine/temper.toml"), found=found, failure="nothing lost")
    assert text.startswith('"""Shrunk from a run."""\n\nimport asyncio\n')
    assert '\nEXPERIMENT = r"""\nname = "postgres-cut"\ntitle = ' in text
    assert text.endswith(
        "\n\n\ndef test_postgres_cut(tmp_path: Path) -> None:\n"
        f'    """{find("postgres-cut").expect}"""\n'
        '    target = Target.read(Path("mine/temper.toml"))\n'
        "    outcome = asyncio.run(run_once(target, parsed(EXPERIMENT), seed=7, results=tmp_path))\n"
        '    assert outcome.upholds("nothing lost"), str(outcome)\n'
    )


@pytest.mark.parametrize("said", ['"no", \\, \r\n', "'''", '"""', "\\", '"', "\x7f\x00\u2028", "é 𝄞"])
def test_whatever_an_experiment_says_is_python(said: str) -> None:
    """Quotes, backslashes and line ends: what the test runs is the very experiment."""
    experiment = msgspec.structs.replace(find("postgres-cut"), name=said, title=said, expect=said)
    tree = ast.parse(as_test(experiment, seed=1, target=Path("temper.toml"), found=said, failure=said))
    assert ast.get_docstring(tree, clean=False) == said
    (function,) = (each for each in tree.body if isinstance(each, ast.FunctionDef))
    assert ast.get_docstring(function, clean=False) == said
    (assigned,) = (each.value for each in tree.body if isinstance(each, ast.Assign))
    assert isinstance(assigned, ast.Constant)
    assert parsed(str(assigned.value)) == experiment
