"""Holds the command line: one module for each command, registered in app.py; `main` is the entry point."""


def main() -> None:
    """Run the command line of this process and exit with its code."""
    from kernelsmith.cli.app import main as program

    program()
