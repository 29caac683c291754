"""What the guards cost: seconds by name, counted while a candidate is judged, told in its verdict.

A guard is work that is done only because a candidate may cheat or be wrong; a benchmark of trusted kernels would leave
it out. These are counted:

    sandbox        a private folder and the launch into it, of every build stage and every worker
    poison         outputs and guard bands overwritten with NaN, and the choice of secret samples
    checksums      of inputs that a worker could write (GPU), when they are filled and again after the batch
    samples        reading the sampled outputs a second time
    verification   references, full comparisons, product checks, sampled rows
    guard bands    whether anything beside the outputs was written
    resident work  the probe for kernels that still run (GPU)

Not counted are compiling, filling inputs, loading a candidate, its calls, idle gaps, and what makes a number rather
than protects it: batches, audit, duel. No guard can be switched off.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class _Ledger:
    now_ns: Callable[[], int]
    spent_s: dict[str, float] = field(default_factory=dict)


_ledger: ContextVar[_Ledger | None] = ContextVar("ledger", default=None)
"""The ledger of the current judgement; work on other threads adds nothing to it."""


@contextmanager
def counted(now_ns: Callable[[], int] = time.perf_counter_ns) -> Iterator[dict[str, float]]:
    """Count the seconds of all guards in a block, by guard, as a clock reads them."""
    ledger = _Ledger(now_ns)
    token = _ledger.set(ledger)
    try:
        yield ledger.spent_s
    finally:
        _ledger.reset(token)


@contextmanager
def guard(name: str) -> Iterator[None]:
    """Count the seconds of a block as a guard's. Guards do not lie within one another."""
    ledger = _ledger.get()
    if ledger is None:
        yield
        return
    start = ledger.now_ns()
    try:
        yield
    finally:
        ledger.spent_s[name] = ledger.spent_s.get(name, 0.0) + (ledger.now_ns() - start) * 1e-9
