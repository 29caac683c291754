"""Runs the command line for `python -m kernelsmith.cli`: for a checkout, or an interpreter without scripts on
the PATH.
"""

from kernelsmith.cli import main

main()
