"""`kernelsmith best`: the source of a run's best attempt."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.errors import UsageError


def best(
    run: options.RunArgument,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it here.")] = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Print the source of the best attempt, or write it to a file. Exit code 1: nothing has passed yet."""
    from kernelsmith.cli.references import history_of
    from kernelsmith.log.store import open_store
    from kernelsmith.report.summary import best_data

    with open_store(options.database_url(db), create=False) as store:
        history = history_of(store, run)
    found = history.incumbent
    if found is None or found.proposal.candidate is None:
        terminal.fault(f"{run}: no attempt has passed yet; `kernelsmith show {run}` says why")
        raise typer.Exit(1)
    source = found.proposal.candidate.source
    if output is not None:
        _write(output, source)
        terminal.progress(f"attempt {found.number} of {run} written to {output}")
    if json:
        terminal.result_json({**best_data(found), "source": source, "language": found.proposal.candidate.language})
    elif output is None and sys.stdout.isatty():
        terminal.result(source)
    elif output is None:
        # Bytes, not text: what was measured is what is handed out, whatever is in it.
        sys.stdout.flush()
        sys.stdout.buffer.write(source.encode())
        sys.stdout.buffer.flush()


def _write(path: Path, source: str) -> None:
    try:
        path.write_bytes(source.encode())
    except OSError as error:
        raise UsageError(f"-o {path}: {error.strerror}") from error
