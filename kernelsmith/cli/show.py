"""`kernelsmith show`: a run's attempts in a table, or one attempt in full."""

from kernelsmith.cli import options, terminal


def show(run: options.RunOrAttempt, db: options.Database = None, json: options.Json = False) -> None:
    """Show a run, or with RUN:N one of its attempts with its source."""
    from kernelsmith.cli import references
    from kernelsmith.log.store import open_store
    from kernelsmith.report.attempt_page import attempt_page, full_data
    from kernelsmith.report.run_page import run_data, run_page

    asked = references.parse(run)
    with open_store(options.database_url(db), create=False) as store:
        history = references.history_of(store, asked.run)
        if asked.number is None:
            status = store.status(history.run)
            if json:
                return terminal.result_json(run_data(history, status))
            return terminal.result(run_page(history, status, width=terminal.width()))
        attempt = references.attempt_of(history, asked.number)
        detail = store.batches(history.run, asked.number), store.exchanges(history.run, asked.number)
    if json:
        return terminal.result_json(full_data(attempt, *detail))
    return terminal.result(attempt_page(history, attempt, *detail))
