"""Read a candidate from a file the user names."""

from pathlib import Path
from typing import TYPE_CHECKING

from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.core.candidate import Candidate
    from kernelsmith.core.task import Task


def read_candidate(path: Path, task: "Task") -> "Candidate":
    """The file as a candidate of the task; the language follows from its ending.

    Raises:
        UsageError: there is no such text file, or its ending fits none of the task's languages.
    """
    from kernelsmith.core.candidate import Candidate

    language = next((known for known in task.languages if known.suffix == path.suffix), None)
    if language is None:
        endings = ", ".join(known.suffix for known in task.languages)
        raise UsageError(f"{path}: the ending {path.suffix!r} fits no language of {task.name}; it takes {endings}")
    try:
        return Candidate(path.read_text(encoding="utf-8"), language)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text") from error
