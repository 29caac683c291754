"""Read a text file that the user names; a file that cannot be read is one line."""

from pathlib import Path

from kernelsmith.errors import UsageError


def read_text(path: Path, *, fault: type[UsageError] = UsageError, remedy: str = "") -> str:
    """The file's text.

    Raises:
        UsageError: of the kind `fault`: there is no such file, it cannot be read, or it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise fault(f"{path}: {error.strerror or error}{remedy}") from error
    except UnicodeDecodeError as error:
        raise fault(f"{path}: not UTF-8 text") from error
