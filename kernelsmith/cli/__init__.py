"""Holds the command line: one module for each command, registered in app.py. `main` is the entry point of the program
`kernelsmith`.
"""


def main() -> None:
    """Run the command in this process's arguments, and end the process with its exit code: 0 done, 1 failed, 2 the user
    can fix it, 130 interrupted.
    """
    from kernelsmith.cli.app import main as program

    program()
