"""Check that this program can read the schema (table layout) of a database: version 0 (empty) to the current version.

Reader and writer both use this module. It imports no database library, because that would slow the reader's start.
"""

from collections.abc import Callable, Collection

from kernelsmith.errors import UsageError

VERSION = 4
"""Current version of the schema: the number of steps in migrations/."""


def checked_version(table_names: Collection[str], read_version: Callable[[], int], *, where: str) -> int:
    """Return the version of a database's schema (table layout), or 0 if it has no tables. `table_names` are the names
    of its tables; `read_version` is a function without arguments that returns the version stored in the database.
    `where`, the database's path, begins error messages. Raises UsageError if it is not an attempt log, or a newer
    kernelsmith wrote it.
    """
    if not table_names:
        return 0
    if not {"schema", "attempts"} <= set(table_names):
        raise UsageError(f"{where}: is a database, but not an attempt log; give another one with --db")
    version = read_version()
    if version > VERSION:
        raise UsageError(
            f"{where}: written by a newer kernelsmith (schema {version}, this one knows {VERSION}); upgrade kernelsmith"
        )
    return version
