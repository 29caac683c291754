"""The numbers by which a GPU worker says what went wrong, and the judge's words for them.

Both sides know them; a candidate can choose a number, but no words.
"""

PYTHON_FAULT = 1_000_000
"""Faults from here on are exceptions of a candidate's own Python code; below it, CUDA error numbers."""
EXCEPTIONS = (
    "Exception", "AssertionError", "AttributeError", "ImportError", "IndexError", "KeyError", "MemoryError",
    "NameError", "NotImplementedError", "OSError", "OverflowError", "RecursionError", "RuntimeError", "SystemExit",
    "TypeError", "ValueError", "ZeroDivisionError",
)  # fmt: skip


def of_exception(error: BaseException) -> int:
    """The number of an exception: that of the nearest kind that has one."""
    names = [kind.__name__ for kind in type(error).__mro__]
    known = next((name for name in names if name in EXCEPTIONS), EXCEPTIONS[0])
    return PYTHON_FAULT + EXCEPTIONS.index(known)


def exception_name(fault: int) -> str | None:
    """The exception that a number stands for; None where it is none."""
    place = fault - PYTHON_FAULT
    return EXCEPTIONS[place] if 0 <= place < len(EXCEPTIONS) else None
