"""`kernelsmith replay`: a history played back, or its candidates judged again on this machine."""

from enum import StrEnum
from typing import Annotated

import typer

from kernelsmith.cli import options


class Measure(StrEnum):
    """Which of the recorded candidates are judged again."""

    BEST = "best"
    IMPROVEMENTS = "improvements"
    ALL = "all"


def replay(
    run: options.RunArgument,
    measure: Annotated[
        Measure | None, typer.Option("--measure", help="Judge these candidates again: recorded against now.")
    ] = None,
    trust_candidates: options.Trust = False,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Play a run back, attempt by attempt; no device is needed unless --measure is given."""
