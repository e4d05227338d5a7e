"""Finds the programs that services are made of: in this environment, in installed packages, or on PATH."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

Version = tuple[int, ...]


def program(name: str) -> Path | None:
    """The program of this name in this Python environment, else on PATH."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    return Path(found) if found else None


def programs_on_path(name: str) -> list[Path]:
    """Every program of this name on PATH, first things first."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    return [Path(found) for folder in folders if folder and (found := shutil.which(name, path=folder))]


def in_package(package: str, relative: str) -> Path | None:
    """A file or folder inside an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder, relative)).exists():
            return path
    return None


def version_in(text: str) -> Version:
    """The first dotted number in a text: (6, 2, 14) from "Redis server v=6.2.14"; () where there is none."""
    match = re.search(r"(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def version_of(path: Path, *arguments: str) -> Version:
    """The version a program tells when run with these arguments; () where it does not run."""
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return version_in(done.stdout + done.stderr)


def dotted(version: Version) -> str:
    """Write (6, 2, 14) as "6.2.14"."""
    return ".".join(str(part) for part in version)
