"""`kernelsmith show`: a run's attempts in a table, or one attempt in full."""

from kernelsmith.cli import options, terminal


def show(run: options.RunOrAttempt, db: options.Database = None, json: options.Json = False) -> None:
    """Show a run, or with RUN:N one of its attempts with its source."""
    from kernelsmith.app.reading import read_attempt, read_run
    from kernelsmith.app.references import parse

    reference = parse(run)
    if reference.number is None:
        from kernelsmith.report.run_page import run_text

        whole = read_run(reference.run, db=db)
        return terminal.result_json(whole) if json else terminal.result(run_text(whole, width=terminal.width()))
    from kernelsmith.report.attempt_page import attempt_text

    one = read_attempt(reference.run, reference.number, db=db)
    return terminal.result_json(one) if json else terminal.result(attempt_text(one))
