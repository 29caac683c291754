"""Count the seconds that each guard takes while a candidate is judged; the verdict reports them by name of the guard.

A guard is work that the judge does only because a candidate may cheat or be wrong; a benchmark of trusted kernels would
leave the guard out. These names are counted:

    sandbox        create a private folder and launch into it every build stage and every worker
    poison         overwrite outputs and guard bands with NaN, and choose secret samples
    checksums      sum the inputs that a worker could write (GPU) when they are filled, and again after the batch
    samples        read the sampled outputs a second time
    verification   compute references, compare full outputs, check products and sampled rows
    guard bands    search for bytes outside the outputs that changed
    resident work  probe for kernels that still run after the batch (GPU)

Not counted are compiling, filling inputs, loading a candidate, its calls, idle gaps, and the steps that measure and do
not protect: batches, audit, duel. No guard can be switched off.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class _Ledger:
    """The seconds that guards took while one candidate was judged: `spent_s`, a dict by name of the guard, and
    `now_ns`, a function that returns the current moment in nanoseconds. `counted` makes it.
    """

    now_ns: Callable[[], int]
    spent_s: dict[str, float] = field(default_factory=dict)


_ledger: ContextVar[_Ledger | None] = ContextVar("ledger", default=None)
"""Ledger of the current judgement, or None outside of one. Guards on other threads add nothing to it."""


@contextmanager
def counted(now_ns: Callable[[], int] = time.perf_counter_ns) -> Iterator[dict[str, float]]:
    """Count the seconds of every guard that runs inside the `with` block on this thread. Yields a dict of seconds by
    name of the guard, which fills while the block runs. `now_ns` returns the current moment in nanoseconds.
    """
    ledger = _Ledger(now_ns)
    token = _ledger.set(ledger)
    try:
        yield ledger.spent_s
    finally:
        _ledger.reset(token)


@contextmanager
def guard(name: str) -> Iterator[None]:
    """Run the `with` block and add its seconds to the guard called `name` in the dict of the enclosing `counted` block;
    without such a block, count nothing. Guards must not be nested, or seconds count twice. Yields None.
    """
    ledger = _ledger.get()
    if ledger is None:
        yield
        return
    start = ledger.now_ns()
    try:
        yield
    finally:
        ledger.spent_s[name] = ledger.spent_s.get(name, 0.0) + (ledger.now_ns() - start) * 1e-9
