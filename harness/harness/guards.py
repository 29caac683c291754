"""What the guards cost: seconds by name, counted while a candidate is judged, told in its verdict.

A guard is work that is done only because a candidate may cheat or be wrong; a benchmark of trusted kernels would leave
it out. Counted are:

    sandbox        a private folder and the launch into it, of every build stage and every worker
    poison         outputs and guard bands overwritten with NaN, and the choice of secret samples
    checksums      of inputs that a worker could write (GPU), when they are filled and again after the batch
    samples        reading the sampled outputs a second time
    verification   references, full comparisons, product checks, sampled rows
    guard bands    whether anything beside the outputs was written
    resident work  the probe for kernels that still run (GPU)

Not counted: compiling, filling inputs, loading a candidate, its calls, idle gaps, and what makes a number rather than
protects it: batches, audit, duel. Nothing here can be switched off.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ledger: ContextVar[dict[str, float] | None] = ContextVar("ledger", default=None)
"""Of the judgement under way; what runs beside it on other threads takes none of its time."""


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Seconds by guard, of all guards until the end of the block."""
    spent: dict[str, float] = {}
    token = _ledger.set(spent)
    try:
        yield spent
    finally:
        _ledger.reset(token)


@contextmanager
def guard(name: str) -> Iterator[None]:
    """Count the seconds of a block. Guards do not lie within one another."""
    start = time.perf_counter()
    try:
        yield
    finally:
        if (spent := _ledger.get()) is not None:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
