"""The system's worker with one planted bug: python tests/broken/broken_worker.py NAME."""

import os
import sys

from plants import PLANTS

from scenarios import worker

if __name__ == "__main__":
    PLANTS[sys.argv[1]](setattr)
    os._exit(worker.main())
