"""`kernelsmith migrate`: bring an attempt log of an older kernelsmith to this one's schema."""

from kernelsmith.cli import options, terminal


def migrate(db: options.Database = None) -> None:
    """Convert an attempt log that an older kernelsmith wrote; `run` and `resume` do it by themselves."""
    from kernelsmith.app.places import database
    from kernelsmith.log.store import open_store

    with open_store(database(db), create=False) as store:
        terminal.progress(f"{store.path}: has this kernelsmith's schema")
