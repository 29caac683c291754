"""Defines the program `kernelsmith`: its commands, and how each error becomes one line on stderr and an exit code.

The command modules import heavy packages (pydantic, SQLAlchemy, openai, optuna) inside their functions, so that
`--help` loads none of them.
"""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from kernelsmith.cli import (
    best,
    diff,
    doctor,
    duel,
    judge,
    migrate,
    replay,
    resume,
    run,
    runs,
    selftest,
    show,
    tasks,
    terminal,
)
from kernelsmith.cli.stop import INTERRUPTED
from kernelsmith.errors import HarnessError, KernelsmithError, LogReplaced, MachineRefusal

COLLECT_EVERY = 100_000
"""Number of new objects between two passes of Python's garbage collector; Python's default is 700."""
DONE, FAILED, FIXABLE = 0, 1, 2
"""Exit codes; stop.py has the exit code of an interrupt."""

app = typer.Typer(
    name="kernelsmith",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, resume, runs, show, best, judge, duel, diff, replay, tasks, doctor, selftest, migrate):
    name = command.__name__.rpartition(".")[2]
    app.command(name)(getattr(command, name))


@app.callback(invoke_without_command=True)
def kernelsmith(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Optimize kernels by search: propose, build, check, time and record candidates until the budget ends."""
    if version:
        from kernelsmith.app.identity import program

        terminal.result(f"kernelsmith {program()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        terminal.result(context.get_help())


def main() -> None:
    """Run the command in this process's arguments, and end the process with its exit code: 0 done, 1 failed, 2 the user
    can fix it, 130 interrupted.
    """
    # Imports and histories make many objects that stay; collecting at the default rate costs a tenth of the time.
    gc.set_threshold(COLLECT_EVERY)
    terminal.survive_any_encoding()
    try:
        code = run_command(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # `kernelsmith show RUN | head`: the reader closed the pipe. The interpreter would flush once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    # At exit the interpreter looks for cycles among all objects that are left: a tenth of `show` of 1,000 attempts.
    gc.freeze()
    sys.exit(code)


def run_command(arguments: Sequence[str]) -> int:
    """Run the command in `arguments` (the command line without the program's name), and return its exit code as an int.
    An error of kernelsmith becomes one line on stderr: code 2 if the user can fix it, 1 if the harness failed or the
    log was replaced. An interrupt gives 130.
    """
    try:
        code = app(list(arguments), prog_name="kernelsmith", standalone_mode=False)
    except KernelsmithError as error:
        terminal.fault(str(error))
        is_failure = isinstance(error, HarnessError | LogReplaced) and not isinstance(error, MachineRefusal)
        return FAILED if is_failure else FIXABLE
    except typer.TyperException as error:
        terminal.fault(_parser_fault(error))
        return FIXABLE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as end:
        # Typer turns a closed stdout pipe (`kernelsmith replay RUN | head`) into exit 1, but no command has failed.
        if isinstance(end.__context__, BrokenPipeError):
            return DONE
        raise
    return code if isinstance(code, int) else DONE


def _parser_fault(error: typer.TyperException) -> str:
    """Return one line for the user: the message of `error`, an unknown option or a wrong value that Typer found,
    followed by the `--help` command that explains the options.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "kernelsmith"
    return f"{error.format_message().rstrip('.')}; see `{command} --help`"
