"""The system's temper.toml with a planted bug: only what its workers run differs, and what its histories meet.

python tests/broken/broken_target.py compensation-dropped > broken.toml
PYTHONPATH=tests/broken temper scenario run orders-troubled -n 20 --target broken.toml
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
SYSTEM = HERE.parent.parent / "temper.toml"
WORKER = 'command = ["{python}", "-m", "system", "worker"]'
POINTS = 'fault_points = ["{python}", "-m", "scenarios.worker"]'
REPLAY = 'replay = "scenarios.target:replay"'


def derived(bug: str) -> str:
    """The text of a temper.toml; the system's own where no bug is named."""
    text = SYSTEM.read_text(encoding="utf-8")
    assert text.count(WORKER) == 1
    assert text.count(POINTS) == 1
    assert text.count(REPLAY) == 1
    if not bug:
        return text
    command = f'["{{python}}", "{HERE / "broken_worker.py"}", "{bug}"]'
    worked = text.replace(WORKER, f"command = {command}").replace(POINTS, f"fault_points = {command}")
    return worked.replace(REPLAY, f'replay = "broken_replay:{bug}"')


if __name__ == "__main__":
    sys.stdout.write(derived(sys.argv[1]))
