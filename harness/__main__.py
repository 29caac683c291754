"""Run the judge: `python -I harness/ serve|doctor ...`; the package `harness` lies beside this file."""

import sys

from harness.program.main import main

if __name__ == "__main__":
    sys.exit(main())
