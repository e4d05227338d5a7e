"""The system's temper.toml with a planted bug: only what its workers run differs, and what its histories meet.

python tests/broken/broken_target.py compensation-dropped > broken.toml
PYTHONPATH=tests/broken temper scenario run orders-troubled -n 20 --target broken.toml
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
SYSTEM = HERE.parent.parent / "temper.toml"
WORKER = 'command = ["{python}", "-m", "system", "worker"]'
REPLAY = 'replay = "scenarios.target:replay"'


def derived(bug: str) -> str:
    """The text of a temper.toml; the system's own where no bug is named."""
    text = SYSTEM.read_text(encoding="utf-8")
    assert text.count(WORKER) == 1
    assert text.count(REPLAY) == 1
    if not bug:
        return text
    worker = f'command = ["{{python}}", "{HERE / "broken_worker.py"}", "{bug}"]'
    return text.replace(WORKER, worker).replace(REPLAY, f'replay = "broken_replay:{bug}"')


if __name__ == "__main__":
    sys.stdout.write(derived(sys.argv[1]))
