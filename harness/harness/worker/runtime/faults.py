"""List the fault numbers that a GPU worker can report when its candidate fails, and the Python exceptions that they
stand for.

The worker and the judge both use this module. A candidate can choose the number that is reported, but not the words.
"""

PYTHON_FAULT = 1_000_000
"""Fault numbers from this one on are exceptions of the candidate's Python code; smaller ones are CUDA error codes."""
EXCEPTIONS = (
    "Exception", "AssertionError", "AttributeError", "ImportError", "IndexError", "KeyError", "MemoryError",
    "NameError", "NotImplementedError", "OSError", "OverflowError", "RecursionError", "RuntimeError", "SystemExit",
    "TypeError", "ValueError", "ZeroDivisionError",
)  # fmt: skip


def of_exception(error: BaseException) -> int:
    """Return the fault number, which the worker writes for the judge, of the exception `error`: PYTHON_FAULT plus the
    index, in EXCEPTIONS, of its class or of its nearest base class in that list; PYTHON_FAULT itself if the list has
    neither."""
    names = [kind.__name__ for kind in type(error).__mro__]
    known = next((name for name in names if name in EXCEPTIONS), EXCEPTIONS[0])
    return PYTHON_FAULT + EXCEPTIONS.index(known)


def exception_name(fault: int) -> str | None:
    """Return the name of the Python exception that the fault number `fault` stands for, such as `ValueError`; None if
    it stands for none, for example because it is a CUDA error code."""
    place = fault - PYTHON_FAULT
    return EXCEPTIONS[place] if 0 <= place < len(EXCEPTIONS) else None
