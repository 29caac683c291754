"""`kernelsmith show`: a run's attempts in a table, or one attempt in full."""

from kernelsmith.cli import options, terminal


def show(run: options.RunOrAttempt, db: options.Database = None, json: options.Json = False) -> None:
    """Show a run, or with RUN:N one of its attempts."""
    from kernelsmith.cli import references
    from kernelsmith.log.store import open_store
    from kernelsmith.report import show as page

    asked = references.parse(run)
    with open_store(options.database_url(db), create=False) as store:
        history = references.history_of(store, asked.run)
        status = store.status(history.run)
    if asked.number is None:
        return terminal.result_json(page.run_data(history, status)) if json else page.print_run(history, status)
    attempt = references.attempt_of(history, asked.number)
    return terminal.result_json(page.attempt_data(attempt)) if json else page.print_attempt(history, attempt)
