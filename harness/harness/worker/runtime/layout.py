"""Define the positions of the 64-bit words in the memory that the judge and a worker share. The compiler checks cpu.c,
the CPU worker, against these numbers.

The judge writes `orders`, which the worker can only read. The worker writes `status`; no result depends on its truth.
"""

MAX_BUFFERS, MAX_SIZES = 16, 16
"""Most pointer arguments and most size arguments of an entry function."""
SEQUENCE, CALLS, N_BUFFERS, IS_OUTPUT = 0, 1, 2, 3
SIZES = IS_OUTPUT + MAX_BUFFERS
MANNER = SIZES + MAX_SIZES
OFFSETS = MANNER + 1
"""Indices of 64-bit words in `orders`. The words from OFFSETS on are byte offsets of the buffers, [calls][buffers]."""
CALL, CAPTURE, REPLAY = 0, 1, 2
"""Values of the word MANNER: call the candidate; capture the calls as a CUDA graph; launch the captured graph."""
READY, DONE, FAULT, ERROR = 0, 1, 2, 3
"""Indices of 64-bit words in `status`. The loader's error message begins at ERROR."""
CAPTURED = ERROR
"""Index of the word with the sequence number of a successful capture, 0 if the capture failed. The word shares its
place with the error message, which is read only before the candidate is loaded."""
STATUS_BYTES = 4096

C_NAMES = (
    "MAX_BUFFERS", "MAX_SIZES", "CALLS", "N_BUFFERS", "IS_OUTPUT", "SIZES", "MANNER", "OFFSETS", "DONE", "FAULT",
    "ERROR",
)  # fmt: skip


def c_definitions() -> tuple[str, ...]:
    """Return a tuple of compiler options, such as `-DLAYOUT_CALLS=1`, that define the word positions of this module as
    macros. The judge compiles cpu.c with them, so that the C program and this module agree."""
    return tuple(f"-DLAYOUT_{name}={globals()[name]}" for name in C_NAMES)
