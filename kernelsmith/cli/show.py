"""Defines the command `kernelsmith show`, which prints a run with a table of its attempts, or one attempt in full."""

from typing import TYPE_CHECKING, Annotated

import typer

from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.report.model_attempt import AttemptReport

Prompt = Annotated[bool, typer.Option("--prompt", help="With RUN:N: print the prompts that the model was sent.")]
Reply = Annotated[bool, typer.Option("--reply", help="With RUN:N: print the replies of the model.")]


def show(
    run: options.RunOrAttempt,
    prompt: Prompt = False,
    reply: Reply = False,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Show a run with a table of its attempts, or with RUN:N one attempt in full, with its source.

    The stance of an attempt is the kind of step that was asked for: open (write the first kernel), repair, refine
    (small steps), diagnose, restructure (another algorithm), revive (an older line of attempts) or restart.

    On a terminal the page fits the width (COLUMNS); a file or a pipe gets every cell in full.
    """
    from kernelsmith.app.reading import read_attempt, read_run
    from kernelsmith.app.references import parse

    reference = parse(run)
    if reference.number is not None:
        report = read_attempt(reference.run, reference.number, db=db)
        return terminal.result_json(report) if json else _show_attempt(report, prompt=prompt, reply=reply)
    _require_attempt(run, prompt=prompt, reply=reply)
    from kernelsmith.report.run_page import run_text

    whole = read_run(reference.run, db=db)
    return terminal.result_json(whole) if json else terminal.result(run_text(whole, width=terminal.width()))


def _show_attempt(report: "AttemptReport", *, prompt: bool, reply: bool) -> None:
    """Print the page of an attempt on stdout; or, instead, its calls of a language model: the prompts if `prompt` is
    true, the replies if `reply` is true. `report` holds all that the log knows of the attempt. Raises typer.Exit, which
    ends the program with code 1, if calls are wanted and there are none.
    """
    from kernelsmith.report.attempt_page import attempt_text
    from kernelsmith.report.exchanges_page import exchanges_text, no_exchange_line

    if not (prompt or reply):
        return terminal.result(attempt_text(report, width=terminal.width()))
    if report.exchanges:
        return terminal.result(exchanges_text(report, prompt=prompt, reply=reply))
    terminal.fault(no_exchange_line(report))
    raise typer.Exit(1)


def _require_attempt(run: str, *, prompt: bool, reply: bool) -> None:
    """Check that neither `--prompt` nor `--reply` was given, because `run` names a whole run and these options need one
    attempt; return nothing. Raises UsageError if one was.
    """
    from kernelsmith.errors import UsageError

    if prompt or reply:
        option = "--prompt" if prompt else "--reply"
        raise UsageError(f"{option}: {run} is a run; name one of its attempts, such as {run}:1")
