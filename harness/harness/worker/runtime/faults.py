"""The fault numbers that a GPU worker reports, and the Python exceptions that they stand for.

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
    """Return the fault number of an exception: that of the nearest base class in EXCEPTIONS."""
    names = [kind.__name__ for kind in type(error).__mro__]
    known = next((name for name in names if name in EXCEPTIONS), EXCEPTIONS[0])
    return PYTHON_FAULT + EXCEPTIONS.index(known)


def exception_name(fault: int) -> str | None:
    """Return the name of the exception that a fault number stands for, or None if it stands for no exception."""
    place = fault - PYTHON_FAULT
    return EXCEPTIONS[place] if 0 <= place < len(EXCEPTIONS) else None
