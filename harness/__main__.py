"""`python -m harness` is the command `harness`."""

from __future__ import annotations

import sys
from pathlib import Path

# Python puts the working directory first; a folder `benchmarks` or `harness` of the user's there
# is not meant. Where the harness itself lies there, as in a checkout, it stays.
if sys.path and Path(sys.path[0] or ".").resolve() != Path(__file__).resolve().parents[1]:
    del sys.path[0]

from harness.cli.app import main

if __name__ == "__main__":
    main()
