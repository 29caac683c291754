"""Fixtures of every test: the small task, one judge for a whole session, and attempts and histories made by hand."""

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
# The digests of the tasks that a user named are remembered there.
os.environ["XDG_STATE_HOME"] = str(STATE)
# Tests start the program hundreds of times: it is compiled once, wherever the environment says to keep no bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(STATE / "bytecode"))  # processes of pytest-xdist share the first's

# Once the session's judge is open, this process has a core less: threads of numpy's would wait for one another.
os.environ |= SINGLE_THREADED

HERE = Path(__file__).parent
STARTS_PROGRAMS = (
    "app/test_doctor.py", "app/test_every_setting.py", "app/test_interpreter.py", "app/test_selftest.py", "cli",
    "fuzz", "gpu", "harness", "judge_client", "log/test_faults.py", "log/test_migrations.py", "test_examples.py",
    "test_kill.py", "test_wheel.py", "zoo",
)  # fmt: skip
"""Folders and files whose tests start a judge, a compiler or other programs."""


MEASURES = (
    "app/test_selftest.py", "cli/test_own_task.py", "cli/test_selftest.py",
    "cli/test_terminal.py", "cli/test_trust.py", "core/test_task_settings.py", "harness/test_cpu_device.py",
    "harness/test_cpu_peaks.py", "harness/test_judge.py", "harness/test_levels.py", "harness/test_machine.py",
    "harness/test_disturbance.py", "judge_client/test_affinity.py", "judge_client/test_blame.py", "test_examples.py",
    "test_kill.py", "test_wheel.py", "zoo/test_zoo.py",
)  # fmt: skip
"""Files whose tests time candidates, or keep cores to themselves."""
OPENS_A_JUDGE = {"harness", "quick", "quick_machines", "real_run", "real_night"}
"""Fixtures of tests that do the same."""


SAMPLED = {
    "test_cheaper_arithmetic_is_incorrect_where_all_is_compared_and_in_timed_calls": 4,
    "test_every_cuda_build_failure_names_its_cause": 3,
    "test_every_triton_build_failure_names_its_cause": 3,
    "test_a_build_failure_names_the_error_and_the_line": 3,
    "test_a_candidate_builds_at_every_level_and_its_entry_is_called_with_everything": 3,
    "test_what_a_candidate_prints_is_read_by_nobody": 3,
    "test_json_is_whole_and_a_terminal_may_see_it": 3,
    "test_no_command_shows_a_terminal_what_it_must_not_see": 3,
    "test_of_processes_that_migrate_at_once_one_does_and_all_go_on": 3,
    "test_each_builds_or_has_the_build_verdict_that_it_declares": 2,
}
"""Tests whose cases take seconds each: the suite runs the first of so many cases, `make soak` the others."""


def _belongs_to_the_soak(item: pytest.Item, seen: Counter[str]) -> bool:
    name = getattr(item, "originalname", "")
    number, seen[name] = seen[name], seen[name] + 1
    return name in SAMPLED and number % SAMPLED[name] != 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` leaves out, and what must not run beside one another: the measuring tests."""
    seen: Counter[str] = Counter()
    for item in items:
        if _belongs_to_the_soak(item, seen):
            item.add_marker(pytest.mark.soak)
        place = item.path.relative_to(HERE).as_posix()
        if place.startswith(STARTS_PROGRAMS):
            item.add_marker(pytest.mark.judge)
        if place.startswith(MEASURES) or OPENS_A_JUDGE & set(getattr(item, "fixturenames", ())):
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
    """A 64^3 product: an attempt takes well under a second."""
    return load_task(HERE / "tasks" / "small_matmul")


class OpenHarness:
    """A judge that is open on a task, with the device it found."""

    def __init__(self, process: HarnessProcess) -> None:
        self.process = process
        cores = os.sched_getaffinity(0)
        self.device: Device = process.open()
        # The judge stays open for hours of other tests: they may use the candidates' core, or it would lie idle.
        os.sched_setaffinity(0, cores)

    def evaluate(self, source: str) -> Verdict:
        """The verdict on a C source without an incumbent."""
        return self.process.submit(Candidate(source, Language.C), None).result()


@pytest.fixture(scope="session")
def harness(small_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHarness]:
    """One judge for all tests that do not harm it."""
    with HarnessProcess(small_task, folder=tmp_path_factory.mktemp("harness"), calibration_s=0.3) as process:
        yield OpenHarness(process)


@pytest.fixture(scope="session")
def matmul_with() -> Callable[..., str]:
    """Source of a matmul whose body is given; `honest` stands for three plain loops."""

    def write(body: str, *, before: str = "") -> str:
        unused = "(void)A, (void)B, (void)C, (void)M, (void)N, (void)K;"
        return f"{before}\n{SIGNATURE}\n{{\n{unused}\n{body.replace('honest;', HONEST_BODY)}\n}}\n"

    return write


NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def cpu_device() -> Device:
    """A device with a vendor line, as a harness would have found it."""
    vendor = VendorLine("OpenBLAS (Test)", 25_000.0, 0.8)
    return Device(
        "Test CPU", DeviceKind.CPU, 100e9, Unit.FP32, isolation=3, spread=0.01, overhead_us=1.0, vendor=vendor
    )


@pytest.fixture(scope="session")
def attempt_with() -> Callable[..., Attempt]:
    """Build one attempt: `attempt_with(3, utilization=0.4, promotion=...)`, or with a status and a detail."""

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
    """2 GFLOP a call, whatever the device; the vendor line reaches 80 % of peak."""
    if utilization is None:
        return None
    rate = utilization * peak
    time_us = 2e9 / rate * 1e6
    interval = Interval(time_us * 0.99, time_us * 1.01)
    return Measurement(time_us, interval, utilization, rate, peak, Unit.FP32, time_us, vendor_ratio=utilization / 0.8)


@pytest.fixture(scope="session")
def history_with(cpu_device: Device) -> Callable[..., History]:
    """A history of the given attempts."""

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
