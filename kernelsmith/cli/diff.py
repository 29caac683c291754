"""`kernelsmith diff`: two attempts, or two runs, side by side."""

from typing import Annotated

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.errors import UsageError


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="RUN, or RUN:N.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind.")],
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Compare two attempts (RUN:N RUN:M): source, facts, time; or two runs: settings, course, best against best."""
    from kernelsmith.cli import references
    from kernelsmith.log.store import open_store
    from kernelsmith.report import diff as page

    left, right = references.parse(a), references.parse(b)
    if (left.number is None) != (right.number is None):
        raise UsageError(f"diff {a} {b}: give two runs, or two attempts RUN:N")
