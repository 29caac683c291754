"""Examples are drawn the same way every time, so that a failure in CI is a failure here; `make soak` draws more."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from kernelsmith.core.attempt import Ask, Directive, Stance
from kernelsmith.core.history import History

settings.register_profile(
    "fuzz",
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fuzz")

HANGS_AFTER_S = 300
"""Many times what a test here takes on the busiest machine: a quadratic reader of 10 MB takes hours."""


@pytest.fixture
def no_hang() -> Iterator[None]:
    """Fail a test that would go on for hours; how fast it is otherwise plays no part."""

    def fail(number: int, frame: object) -> None:
        pytest.fail(f"it hangs: no end after {HANGS_AFTER_S} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(HANGS_AFTER_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


MEASURED = """
import resource, sys
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{body}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.fixture
def grown_bytes() -> Callable[..., int]:
    """By how much the memory of a fresh interpreter grows at most while it runs some lines."""

    def run(preparation: str, body: str) -> int:
        script = preparation + MEASURED.format(body=body)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)

    return run


@pytest.fixture
def asked() -> Callable[[int], Ask]:
    """An ask by number."""
    return lambda number: Ask(number, Directive(Stance.REFINE))


@pytest.fixture
def empty_history(history_with: Callable[..., History]) -> History:
    """Of a run that has not begun."""
    return history_with()
