"""Runs the harness: `python -I harness/ serve|doctor ...`. Its package `harness` is the folder next to this file."""

import sys

from harness.program.main import main

if __name__ == "__main__":
    sys.exit(main())
