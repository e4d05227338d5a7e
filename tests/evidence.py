"""What every kept record says of itself, how it is written, and how what it records is run."""

import os
import platform
import signal
import subprocess
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
INTERRUPTED = frozenset({128 + signal.SIGINT, 128 + signal.SIGTERM})
"""The exit codes of a command that was told to end."""


def commit(*sources: str) -> str:
    """The commit that is checked out; with a + behind it where these sources were changed since."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", *sources], cwd=ROOT, capture_output=True, check=True
    )
    return head.stdout.decode().strip() + ("+" if changed.stdout else "")


def machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def write(path: Path, record: msgspec.Struct) -> None:
    """Write a record whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    part.replace(path)


def run(command: list[str], output: Path, patience: float | None = None) -> int:
    """Run to the end, or for so many seconds; what is told to end, by a Ctrl-C too, may take its servers down first."""
    with output.open("w") as file, subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file) as process:
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
