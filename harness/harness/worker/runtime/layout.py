"""The words of memory that the judge and a worker share; the compiler checks cpu.c against them.

The judge writes `orders`, which the worker can only read; the worker writes `status`, which the judge does not believe.
"""

MAX_BUFFERS, MAX_SIZES = 16, 16
"""Pointer arguments, and size arguments, of an entry function."""
SEQUENCE, CALLS, N_BUFFERS, IS_OUTPUT = 0, 1, 2, 3
SIZES = IS_OUTPUT + MAX_BUFFERS
MANNER = SIZES + MAX_SIZES
OFFSETS = MANNER + 1
"""Indices of 64-bit words in `orders`; offsets are bytes into inputs or outputs, [calls][buffers]."""
CALL, CAPTURE, REPLAY = 0, 1, 2
"""Manners: call the candidate; capture its calls as a graph without running them; run the captured graph."""
READY, DONE, FAULT, ERROR = 0, 1, 2, 3
"""Indices of 64-bit words in `status`; a text begins at ERROR."""
CAPTURED = ERROR
"""Whether the last capture succeeded; the text is read only until the candidate is loaded."""
STATUS_BYTES = 4096

C_NAMES = (
    "MAX_BUFFERS", "MAX_SIZES", "CALLS", "N_BUFFERS", "IS_OUTPUT", "SIZES", "MANNER", "OFFSETS", "DONE", "FAULT",
    "ERROR",
)  # fmt: skip


def c_definitions() -> tuple[str, ...]:
    """Return the compiler options that tell cpu.c these numbers."""
    return tuple(f"-DLAYOUT_{name}={globals()[name]}" for name in C_NAMES)
