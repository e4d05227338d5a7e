"""Which comments and marks silence a tool, or leave out a test, without telling why."""

import ast
import io
import re
import time
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.quality.tool import Project
from harness.records.checks import Check

SILENCES = re.compile(
    r"#\s*(?:type:\s*ignore|noqa|nosec|pragma:\s*(?:no cover|no branch|allowlist secret)"
    r"|(?:ruff|flake8):\s*noqa|pyright:\s*ignore|pylint:\s*(?:disable|skip-file)"
    # What mypy is told of a whole file goes to the end of the line, so its reason is above.
    r"|mypy:.*\b(?:allow|disable|follow|ignore|implicit|no)[-_].*)"
    r"(?:\[[^\]]*\]|\s*[:=]?\s*[A-Z]{1,4}\d+(?:[,\s]+[A-Z]{1,4}\d+)*)?"
)
"""A comment that silences, up to where its explanation would be."""
MARKS = re.compile(r"\b(?:skip|skipif|xfail|importorskip)\b")
LEFT_OUT = ("skip", "skipif", "xfail")
LEAVE_OUT = ("skip", "xfail", "importorskip")
"""Functions of pytest; the last is given a module first, which is no reason."""
WORD = re.compile(r"[^\W\d_]{2,}")


async def unexplained_ignores(project: Project) -> list[Check]:
    """How many of them there are in the Python files of the sources; unknown where one cannot be read."""
    sources = [project.directory / source for source in project.section.sources]
    if missing := [source.name for source in sources if not source.exists()]:
        return [_check(None, reason=f"quality.sources names {', '.join(missing)}, and there is no such thing")]
    files = sorted(path for source in sources for path in python_files(source))
    findings = []
    seen = 0
    for path in files:
        told = path.relative_to(project.directory).as_posix()
        try:
            silenced = list(ignores(path.read_bytes()))
        except (SyntaxError, tokenize.TokenError, UnicodeDecodeError, ValueError) as error:
            return [_check(None, reason=f"{told} cannot be read as Python: {error}")]
        seen += len(silenced)
        findings += [f"{told}:{line}: {text}" for line, text, explained in silenced if not explained]
    if not files:
        return [_check(None, reason=f"there is no Python file in {', '.join(project.section.sources)}")]
    return [_check(len(findings), detail=f"of {seen:,} in {len(files):,} files", findings=tuple(findings))]


def python_files(source: Path) -> Iterator[Path]:
    """The Python files at this path, or below it."""
    return iter([source]) if source.is_file() else source.rglob("*.py")


def ignores(source: bytes) -> Iterator[tuple[int, str, bool]]:
    """Each of them, by its line: what it says, and whether it, the comment after it or the line above tells why.

    Raises SyntaxError, TokenError or UnicodeDecodeError for what is no Python.
    """
    text = source.decode(tokenize.detect_encoding(io.BytesIO(source).readline)[0])
    if SILENCES.search(text):
        yield from _comments(text)
    if MARKS.search(text):
        yield from _marks(text)


def _comments(text: str) -> Iterator[tuple[int, str, bool]]:
    lines = text.splitlines()
    explained: set[tuple[int, str]] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        silences = SILENCES.findall(token.string) if token.type == tokenize.COMMENT else []
        if silences:
            line = token.start[0]
            told = _tells(SILENCES.sub("", token.string)) or _comment_above(lines, line)
            # One reason does for the lines of a block, such as imports.
            told = told or all((line - 1, silence) in explained for silence in silences)
            if told:
                explained |= {(line, silence) for silence in silences}
            yield line, token.string, told


def _marks(text: str) -> Iterator[tuple[int, str, bool]]:
    """Marks wherever they stand, on a test, on a parameter or on the whole file, and calls that leave the rest out."""
    lines, nodes = text.splitlines(), list(ast.walk(ast.parse(text)))
    functions = {f"pytest.{name}" for name in LEAVE_OUT} | _imported(nodes)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        call = isinstance(node, ast.Call) and (_is_mark(node.func) or ast.unparse(node.func) in functions)
        if call or (_is_mark(node) and id(node) not in called):
            assert isinstance(node, ast.expr)
            yield node.lineno, ast.unparse(node), _has_reason(node) or _comment_above(lines, node.lineno)


def _imported(nodes: Iterable[ast.AST]) -> set[str]:
    """By what names the file calls these functions, where it has imported them."""
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "pytest"]
    return {name.asname or name.name for each in froms for name in each.names if name.name in LEAVE_OUT}


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in LEFT_OUT and ast.unparse(node.value).endswith("mark")


def _has_reason(call: ast.expr) -> bool:
    """Whether it says why, be that a text which is put together when it is called."""
    if not isinstance(call, ast.Call):
        return False
    said = [keyword.value for keyword in call.keywords if keyword.arg in {"reason", "msg"}]
    given = [] if ast.unparse(call.func).endswith("importorskip") else call.args
    texts = said or [each for each in given if not isinstance(each, ast.Constant) or isinstance(each.value, str)]
    return any(not isinstance(each, ast.Constant) or _tells(str(each.value)) for each in texts)


def _comment_above(lines: list[str], line: int) -> bool:
    above = lines[line - 2].strip() if line > 1 else ""
    return above.startswith("#") and not SILENCES.search(above) and _tells(above)


def _tells(text: str) -> bool:
    return bool(WORD.search(text))


def _check(value: float | None, *, reason: str = "", detail: str = "", findings: tuple[str, ...] = ()) -> Check:
    return Check(
        metric="unexplained_ignores",
        value=value,
        reason=reason,
        detail=detail,
        findings=findings,
        command="temper quality ignores",
        tool="temper",
        measured=time.time(),
    )
