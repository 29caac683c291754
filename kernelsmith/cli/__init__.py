"""The command line: one command a file, registered in app.py; `main` is the `kernelsmith` entry point."""


def main() -> None:
    """Run the command line and exit."""
    from kernelsmith.cli.app import main as program

    program()
