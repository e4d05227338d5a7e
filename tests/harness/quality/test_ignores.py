"""What silences a tool is found by its comment or mark, and must say why."""

from pathlib import Path

import pytest
from quality_projects import project_of

from harness.quality.ignores import ignores, unexplained_ignores
from harness.quality.section import QualitySection

NOQA = "# no" + "qa"
IGNORE = "# type: " + "ignore"


@pytest.mark.parametrize(
    "source",
    [
        f"import os  {NOQA}",
        f"import os  {NOQA}: F401",
        f"import os  {NOQA}: F401, E402",
        f"x = y()  {IGNORE}",
        f"x = y()  {IGNORE}[no-untyped-call]",
        f"x = y()  {IGNORE}[a]  {NOQA}: B904",
        "import subprocess  # nosec " + "B404",
        "if x:  # pragma: " + "no cover\n    pass",
        "key = 'x'  # pragma: " + "allowlist secret",
        "# ruff: " + "noqa",
        f"# {NOQA[2:]} above\nx = 1  {NOQA}: E501",
        f"# ---\nx = 1  {NOQA}: E501",
        "@pytest.mark.skip\ndef test_x(): ...",
        "@pytest.mark.skip()\ndef test_x(): ...",
        "@pytest.mark.skip(reason='')\ndef test_x(): ...",
        "@pytest.mark.skipif(True)\ndef test_x(): ...",
        "@pytest.mark.xfail(strict=True)\nclass TestX: ...",
        "def test_x():\n    pytest.skip()",
        "pytestmark = pytest.mark.skip",
        "pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.version_info < (3, 12), reason='')]",
        "@pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.xfail)])\ndef test_x(x): ...",
        "from pytest import mark\n@mark.skip\ndef test_x(): ...",
        "from pytest import skip as leave\nleave(allow_module_level=True)",
        "lxml = pytest.importorskip('lxml')",
        "# flake8: " + "noqa",
        "# pylint: " + "skip-file",
        "# mypy: " + "ignore-errors",
        "# mypy: " + 'disable-error-code="attr-defined, name-defined"',
        "# mypy: " + "strict-equality, allow-untyped-defs",
    ],
)
def test_one_without_a_reason_is_found(source: str) -> None:
    """Codes are no reason, nor is a line of dashes, or another that silences, above it."""
    assert [told for _, _, told in ignores(source.encode())][-1:] == [False]


@pytest.mark.parametrize(
    "source",
    [
        f"import os  {NOQA}: F401 - it registers itself",
        f"import os  {NOQA}: F401  # it registers itself",
        f"x = y()  {IGNORE}[no-untyped-call]  # it has no types",
        f"# It registers itself.\nimport os  {NOQA}: F401",
        f"import a  {NOQA}: PLC0415 - slow\nimport b  {NOQA}: PLC0415\nimport c  {NOQA}: PLC0415",
        "@pytest.mark.skip(reason='it takes a day')\ndef test_x(): ...",
        "@pytest.mark.skip('it takes a day')\ndef test_x(): ...",
        "@pytest.mark.skipif(condition(), reason=why)\ndef test_x(): ...",
        "# It takes a day.\n@pytest.mark.skip\ndef test_x(): ...",
        "def test_x():\n    pytest.skip(f'no {engine} here')",
        "pytestmark = pytest.mark.skip(reason='it takes a day')",
        "@parametrize('x', [pytest.param(2, marks=pytest.mark.xfail(reason='a known bug'))])\ndef test_x(x): ...",
        "from pytest import skip\nskip('it takes a day', allow_module_level=True)",
        "lxml = pytest.importorskip('lxml', reason='a fast parser')",
        "# It is generated.\n# mypy: " + 'disable-error-code="attr-defined"',
    ],
)
def test_a_reason_may_stand_beside_it_or_above(source: str) -> None:
    """On the line, in the call, or in the line above; one does for a block of the same."""
    assert {told for _, _, told in ignores(source.encode())} == {True}


@pytest.mark.parametrize(
    "source",
    [
        f'text = "x = 1  {NOQA}"',
        f'"""Say {IGNORE} where it must be."""',
        "def skip(): ...",
        "@pytest.mark.slow\ndef test_x(): ...",
        "queue.skip()",
        "@rows.skip\ndef first(): ...",
        "# mypy: strict",
        "# mypy: no more than that is known",
    ],
)
def test_what_only_looks_like_one_is_none(source: str) -> None:
    """Texts are no comments, and other marks leave nothing out."""
    assert list(ignores(source.encode())) == []


def test_a_reason_for_one_is_none_for_another() -> None:
    """Lines in a row are a block only where they silence the same."""
    found = ignores(f"import a  {NOQA}: PLC0415 - slow\nimport b  {NOQA}: F401\n".encode())
    assert [told for _, _, told in found] == [True, False]


async def test_the_files_of_all_sources_are_looked_at(tmp_path: Path) -> None:
    """In directories and alone; what is found is told with its file and line."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "a.py").write_text(f"\nimport os  {NOQA}\n")
    (tmp_path / "build.py").write_text(f"import os  {NOQA}: F401 - it is meant\n")
    (check,) = await unexplained_ignores(project_of(tmp_path, QualitySection(sources=["shop", "build.py"])))
    assert (check.value, check.detail) == (1, "of 2 in 2 files")
    assert check.findings == (f"shop/a.py:2: {NOQA}",)


async def test_a_source_that_is_not_there_is_no_clean_one(tmp_path: Path) -> None:
    """Nothing was looked at, by a slip of the pen."""
    (tmp_path / "a.py").write_text("x = 1\n")
    (check,) = await unexplained_ignores(project_of(tmp_path, QualitySection(sources=["a.py", "shpo"])))
    assert (check.value, check.reason) == (None, "quality.sources names shpo, and there is no such thing")


@pytest.mark.parametrize(("text", "why"), [("def (", "cannot be read as Python"), (None, "there is no Python file")])
async def test_what_cannot_be_looked_at_is_not_known(tmp_path: Path, text: str | None, why: str) -> None:
    """A file that is no Python, or none at all, is no zero."""
    (tmp_path / "shop").mkdir()
    if text:
        (tmp_path / "shop" / "a.py").write_text(f"{text}  {NOQA}\n@pytest.mark.skip\n")
    (check,) = await unexplained_ignores(project_of(tmp_path, QualitySection(sources=["shop"])))
    assert check.value is None
    assert why in check.reason
