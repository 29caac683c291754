"""Defines the command `kernelsmith best`, which prints the source of a run's best attempt or writes it to a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from kernelsmith import invocation
from kernelsmith.cli import options, terminal


def best(
    run: options.RunArgument,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it here.")] = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Print the source of a run's best attempt, or write it to a file. Exit code 1: no attempt has passed yet; 2: no
    such run.
    """
    from kernelsmith.app.reading import read_history
    from kernelsmith.report.model import best_report

    report = best_report(read_history(run, db=db))
    if report is None:
        show = f"{invocation.command_name()} show {run}{options.repeated(db)}"
        terminal.fault(f"{run}: no attempt has passed yet; `{show}` says why")
        raise typer.Exit(1)
    if output is not None:
        _write(output, report.source)
        terminal.progress(f"attempt {report.attempt.number} of {run} written to {output}")
    if json:
        terminal.result_json(report)
    elif output is None:
        _print(report.source)


def _print(source: str) -> None:
    """Print a kernel's source on stdout: with control characters as visible escape sequences if stdout is a terminal,
    which would obey them, and byte for byte if it is a file or a pipe.
    """
    if sys.stdout.isatty():
        return terminal.result(source)
    # Bytes, not text: the output must be the source that was measured, whatever characters it holds.
    sys.stdout.flush()
    sys.stdout.buffer.write(source.encode())
    sys.stdout.buffer.flush()
    return None


def _write(path: Path, source: str) -> None:
    """Write a kernel's source to the file `path` as UTF-8 text, over an existing one. Raises UsageError if the file
    cannot be written.
    """
    from kernelsmith.errors import UsageError

    try:
        path.write_bytes(source.encode())
    except OSError as error:
        raise UsageError(f"-o {path}: {error.strerror}") from error
