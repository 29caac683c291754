"""The schema version that this program writes and reads, and which databases it refuses.

Reader and writer check a database here; it imports no database library.
"""

from collections.abc import Callable, Collection

from kernelsmith.errors import UsageError

VERSION = 4
"""The number of steps in migrations/."""


def checked_version(table_names: Collection[str], read_version: Callable[[], int], *, where: str) -> int:
    """Return a database's schema version; 0 for an empty one.

    Raises:
        UsageError: a newer kernelsmith wrote it, or another program.
    """
    if not table_names:
        return 0
    if not {"schema", "attempts"} <= set(table_names):
        raise UsageError(f"{where}: a database, but not an attempt log; give another one with --db")
    version = read_version()
    if version > VERSION:
        raise UsageError(
            f"{where}: written by a newer kernelsmith (schema {version}, this one knows {VERSION}); upgrade kernelsmith"
        )
    return version
