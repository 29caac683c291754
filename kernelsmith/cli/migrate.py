"""Defines the command `kernelsmith migrate`, which converts the attempt log of an older kernelsmith to the present
database schema.
"""

from kernelsmith.cli import options, terminal


def migrate(db: options.Database = None) -> None:
    """Convert an attempt log that an older kernelsmith wrote to the present schema, in its file. `run` and `resume` do
    so, too, when they open it.
    """
    from kernelsmith.app.places import database
    from kernelsmith.log.store import open_store

    with open_store(database(db), create=False) as store:
        terminal.progress(f"{store.path}: the log has the schema of this kernelsmith")
