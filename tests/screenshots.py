"""Pictures of a report for the documentation, as a browser shows it.

    python -m tests.screenshots BROWSER [RUN]     by a Chromium; the directory of a run, or else the newest demo

Each is the beginning of the page, or of its part on latency, at the width of a desk or of a telephone, light or dark.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from reports.html import write_report

IMAGES = Path(__file__).parent.parent / "docs" / "images"
HEIGHT = 1_500
LARGEST = 300_000
"""Bytes a picture may have: it is kept in the repository."""
THEMES = {"light": 1, "dark": 0}
"""What the browser calls them."""
SHOTS = {
    "report-1280-light": (1280, "light", ""),
    "report-1280-dark": (1280, "dark", ""),
    "report-390-light": (390, "light", ""),
    "report-390-dark": (390, "dark", ""),
    "report-latency-1280-light": (1280, "light", "latency"),
    "report-latency-1280-dark": (1280, "dark", "latency"),
}
"""For each picture, the width in pixels, the theme, and the part of the page it begins with."""
PATIENCE = 120
"""Seconds."""
FRAME = """<!doctype html>
<title>Report</title>
<style>body { margin: 0 } iframe { display: block; border: 0; width: 100vw; height: 100vh }</style>
<iframe src="report.html#%s"></iframe>
"""
"""A headless browser pictures a page from its beginning, wherever it is scrolled to; a page within it, as it stands."""


def newest_demo(results: Path) -> Path | None:
    """The demo that was run last; None where none was."""
    return max((path.parent for path in results.glob("demo-*/run.json")), key=lambda run: run.name, default=None)


def take(program: str, page: Path, name: str, into: Path) -> Path:
    """Take one of SHOTS. Raises CalledProcessError, or TimeoutExpired, if the browser does not."""
    width, theme, part = SHOTS[name]
    picture = into / f"{name}.png"
    if part:
        page = page.with_name(f"{part}.html")
        page.write_text(FRAME % part, encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                "--force-prefers-reduced-motion",
                "--virtual-time-budget=3000",
                "--force-device-scale-factor=1", f"--user-data-dir={profile}", f"--window-size={width},{HEIGHT}",
                f"--blink-settings=preferredColorScheme={THEMES[theme]}", f"--screenshot={picture}",
                page.resolve().as_uri(),
            ],
            check=True, capture_output=True, timeout=PATIENCE,
        )  # fmt: skip
    return picture


def main(arguments: list[str]) -> str:
    """Take them all; what went wrong, or nothing."""
    program, run = arguments[0], Path(arguments[1]) if arguments[1:] else newest_demo(Path("results"))
    if run is None:
        return "there is no demo below results: make one with `temper demo`, or name a run's directory"
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as elsewhere:
        page = write_report(run, path=Path(elsewhere) / "report.html")
        pictures = [take(program, page, name, IMAGES) for name in SHOTS]
    for picture in pictures:
        print(f"{picture}: {picture.stat().st_size:,} bytes")
    large = [picture.name for picture in pictures if picture.stat().st_size > LARGEST]
    return f"larger than {LARGEST:,} bytes: {', '.join(large)}" if large else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or None)
