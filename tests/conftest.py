"""Fixtures for all tests: a small task, one judge for the session, and functions that make attempts and histories."""

import atexit
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.kinds import DeviceKind, Unit
from kernelsmith.core.run import Budget, Device, Event, Run, RunConfig, VendorLine
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.judge_client.harness import HarnessProcess
from kernelsmith.judge_client.process import SINGLE_THREADED

pytest_plugins = ["endpoints"]

STATE = Path(tempfile.mkdtemp(prefix="kernelsmith-tests-"))
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
# In this folder, the program keeps the digests of the tasks that the user trusts.
os.environ["XDG_STATE_HOME"] = str(STATE)
# Tests start the program hundreds of times. Bytecode is kept, so that the program is compiled only once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(STATE / "bytecode"))  # shared by the processes of pytest-xdist

# An open judge takes one core from this process. The threads of numpy would then wait for each other.
os.environ |= SINGLE_THREADED

HERE = Path(__file__).parent
STARTS_PROGRAMS = (
    "app/test_doctor.py", "app/test_every_setting.py", "app/test_interpreter.py", "app/test_selftest.py", "cli",
    "fuzz", "gpu", "harness", "judge_client", "log/test_faults.py", "log/test_migrations.py", "test_examples.py",
    "test_kill.py", "test_wheel.py", "zoo",
)  # fmt: skip
"""Folders and files whose tests start a judge, a compiler or other programs: `make quick` leaves them out."""


MEASURES = (
    "app/test_selftest.py", "cli/test_own_task.py", "cli/test_selftest.py",
    "cli/test_terminal.py", "cli/test_trust.py", "core/test_task_settings.py", "harness/test_cpu_device.py",
    "harness/test_cpu_peaks.py", "harness/test_judge.py", "harness/test_levels.py", "harness/test_machine.py",
    "harness/test_disturbance.py", "judge_client/test_affinity.py", "judge_client/test_blame.py", "test_examples.py",
    "test_kill.py", "test_wheel.py", "zoo/test_zoo.py",
)  # fmt: skip
"""Files whose tests time candidates or reserve CPU cores, so that they must not run at the same time."""
OPENS_A_JUDGE = {"harness", "quick", "quick_machines", "real_run", "real_night"}
"""Fixtures that open a judge; tests that use one of them must not run at the same time either."""


SAMPLED = {
    "test_cheaper_arithmetic_is_incorrect_where_all_is_compared_and_in_timed_calls": 4,
    "test_every_cuda_build_failure_names_its_cause": 3,
    "test_every_triton_build_failure_names_its_cause": 3,
    "test_a_build_failure_names_the_error_and_the_line": 3,
    "test_a_candidate_builds_at_every_level_and_its_entry_is_called_with_everything": 3,
    "test_what_a_candidate_prints_is_read_by_nobody": 3,
    "test_json_is_whole_and_a_terminal_may_see_it": 3,
    "test_no_command_shows_a_terminal_what_it_must_not_see": 3,
    "test_one_of_several_processes_that_migrate_at_once_migrates_and_all_continue": 3,
    "test_each_builds_or_has_the_build_verdict_that_it_declares": 2,
}
"""Slow parametrized tests -> N: the suite runs every N-th of the test's cases, `make soak` runs the others."""


def _is_soak(item: pytest.Item, seen: Counter[str]) -> bool:
    name = getattr(item, "originalname", "")
    number, seen[name] = seen[name], seen[name] + 1
    return name in SAMPLED and number % SAMPLED[name] != 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add markers to tests: `soak` and `judge` for tests that `make quick` leaves out, and one xdist group for all
    tests that measure, so that they run one after the other.
    """
    seen: Counter[str] = Counter()
    for item in items:
        if _is_soak(item, seen):
            item.add_marker(pytest.mark.soak)
        path = item.path.relative_to(HERE).as_posix()
        if path.startswith(STARTS_PROGRAMS):
            item.add_marker(pytest.mark.judge)
        if path.startswith(MEASURES) or OPENS_A_JUDGE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("measuring"))


SIGNATURE = "void matmul(const float *A, const float *B, float *C, int M, int N, int K)"

HONEST_BODY = """
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum += A[i * K + k] * B[j * K + k];
            C[i * N + j] = sum;
        }
"""


@pytest.fixture(scope="session")
def small_task() -> Task:
    """Return the task of a 64 x 64 x 64 matrix product; judging a candidate takes well under a second."""
    return load_task(HERE / "tasks" / "small_matmul")


class OpenHarness:
    """A running judge that has opened a task, with the device on which it measures."""

    def __init__(self, process: HarnessProcess) -> None:
        self.process = process
        cores = os.sched_getaffinity(0)
        self.device: Device = process.open()
        # `open` reserved a core for candidates. Other tests get that core back, because it would be idle for long.
        os.sched_setaffinity(0, cores)

    def evaluate(self, source: str) -> Verdict:
        """Judge a candidate in C that is given as source text, without an incumbent, and return the verdict."""
        return self.process.submit(Candidate(source, Language.C), None).result()


@pytest.fixture(scope="session")
def harness(small_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHarness]:
    """Start one judge for all tests of the session, and yield it. Tests that stop their judge start another one."""
    with HarnessProcess(small_task, folder=tmp_path_factory.mktemp("harness"), calibration_s=0.3) as process:
        yield OpenHarness(process)


@pytest.fixture(scope="session")
def matmul_with() -> Callable[..., str]:
    """Return a function that makes the C source of a matmul from the body of the function. The text `honest;` in the
    body is replaced by three correct loops; `before` is put in front of the function.
    """

    def write(body: str, *, before: str = "") -> str:
        no_warnings = "(void)A, (void)B, (void)C, (void)M, (void)N, (void)K;"
        return f"{before}\n{SIGNATURE}\n{{\n{no_warnings}\n{body.replace('honest;', HONEST_BODY)}\n}}\n"

    return write


NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def cpu_device() -> Device:
    """Return the description of an imaginary CPU with a vendor line, as a harness would return it."""
    vendor = VendorLine("OpenBLAS (Test)", 25_000.0, 0.8)
    return Device(
        "Test CPU", DeviceKind.CPU, 100e9, Unit.FP32, isolation=3, spread=0.01, overhead_us=1.0, vendor=vendor
    )


@pytest.fixture(scope="session")
def attempt_with() -> Callable[..., Attempt]:
    """Return a function that makes an attempt from its number and from keywords for the values that matter to a test,
    such as `utilization` (a fraction; makes a measurement), `promotion`, or `status` and `detail` of a failed
    candidate.
    """

    def build(
        number: int,
        *,
        utilization: float | None = None,
        peak: float = 100e9,
        promotion: Promotion | None = None,
        status: Status = Status.PASSED,
        detail: str = "",
        hypothesis: str = "a hypothesis",
        stance: Stance = Stance.REFINE,
        reason: str = "no duel won for 8 asks",
        parent: int | None = None,
        source: str | None = None,
        params: Mapping[str, int | float | str] | None = None,
        ask_number: int | None = None,
        trial: int = 0,
        seen: int | None = None,
        **rest,
    ) -> Attempt:
        verdict = Verdict(status, detail, _measurement(utilization, peak), promotion, **rest)
        known = number - trial - 1 if seen is None else seen
        ask = Ask(number if ask_number is None else ask_number, Directive(stance, parent, reason), known)
        text = f"/* {number} */\nvoid matmul(void) {{}}\n" if source is None else source
        candidate = None if status is Status.NO_CANDIDATE else Candidate(text, Language.C, params or {})
        proposal = Proposal(Origin.TUNER, hypothesis, candidate, parent, None if candidate else NoCandidate.NO_BLOCK)
        return Attempt(number, ask, trial, proposal, verdict, NOW, 2.0)

    return build


def _measurement(utilization: float | None, peak: float) -> Measurement | None:
    """Return a measurement of a call of 2 GFLOP with this utilization of `peak` (FLOP/s), or None if `utilization` is
    None. The vendor line reaches 80 % of the peak.
    """
    if utilization is None:
        return None
    rate = utilization * peak
    time_us = 2e9 / rate * 1e6
    interval = Interval(time_us * 0.99, time_us * 1.01)
    return Measurement(time_us, interval, utilization, rate, peak, Unit.FP32, time_us, vendor_ratio=utilization / 0.8)


@pytest.fixture(scope="session")
def history_with(cpu_device: Device) -> Callable[..., History]:
    """Return a function that makes a history from attempts. Further keywords are fields of the run's config."""

    def build(
        *attempts: Attempt,
        name: str = "night",
        budget: Budget | None = None,
        events: tuple[Event, ...] = (),
        device: Device | None = cpu_device,
        **config,
    ) -> History:
        settings = RunConfig("cpu_matmul", "tuner", budget=budget or Budget(attempts=10), **config)
        devices = ((NOW, device),) if device else ()
        asks = tuple({attempt.ask.number: attempt.ask for attempt in attempts}.values())
        return History(Run(1, name, settings, "0" * 64, NOW), attempts, events, asks, devices=devices)

    return build
