"""Hand candidates to one judge (a process of the harness, which measures them) and return its verdicts: the
implementation of core.seams.Harness.

The judge is started once and keeps its calibration. Each candidate is written to a file before it is judged, and a
verdict is accepted only if the judge measured bytes with the candidate's digest.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from kernelsmith import paths
from kernelsmith.core import contract
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import Opponent
from kernelsmith.core.kinds import DeviceKind
from kernelsmith.core.result import result_of
from kernelsmith.core.run import Device
from kernelsmith.core.seams import WAITING, OnProgress
from kernelsmith.core.task import Task
from kernelsmith.core.verdict import Batch, Duel, Verdict
from kernelsmith.errors import HarnessError, JudgeDied, UsageError
from kernelsmith.judge_client import wire
from kernelsmith.judge_client.builders import Builders, affordable
from kernelsmith.judge_client.lease import LeaseWait, leased
from kernelsmith.judge_client.merging import contended
from kernelsmith.judge_client.process import JudgeProcess

DOCTOR_S = 120.0
"""The most seconds that the harness's report on this machine may take."""

DEVICES = {DeviceKind.CPU: "cpu", DeviceKind.CUDA: "cuda:0"}
"""The device that the judge uses, by kind; CUDA_VISIBLE_DEVICES decides which GPU is `cuda:0`."""

T = TypeVar("T")


class HarnessProcess:
    """The harness as the agent uses it: one judge process that judges candidates for `task`, and a context manager that
    ends the process. `folder` is the path for candidates' files and the log file. `holder` (`run night`) is the text
    shown to other processes that wait for the device. `on_progress` is a function that another thread calls with the
    names of a stage and a step.

    `device` is `scripted:FILE`, or None for the device of the task's kind. `calibration_s` is the seconds for measuring
    the device's peak. `trust_candidates` permits a machine without a sandbox. `isolation_at_most` lowers the sandbox
    level, to see what each level stops. `python` is the interpreter of the harness, None for the agent's own. While
    another process holds the device, `on_progress` is called with the stage WAITING.

    From `open` to `close`, the opening thread does not use the core that candidates run on. The threads and programs
    that it starts in this time do not use the core either.
    """

    def __init__(
        self,
        task: Task,
        *,
        folder: Path,
        calibration_s: float = 2.0,
        trust_candidates: bool = False,
        isolation_at_most: int | None = None,
        python: str | None = None,
        device: str | None = None,
        holder: str = "",
        on_progress: OnProgress | None = None,
    ) -> None:
        self._task = task
        self._folder = folder
        self._device = device or DEVICES[task.device]
        self._options = [f"--device={self._device}", f"--calibration-s={calibration_s}"]
        self._options += ["--trust-candidates"] if trust_candidates else []
        self._options += [f"--isolation-at-most={isolation_at_most}"] if isolation_at_most is not None else []
        self._python = python or sys.executable
        self._on_progress = on_progress or (lambda stage, step: None)
        self._numbers = itertools.count()
        self._is_closing = False
        self._wait = LeaseWait(holder, self._on_wait, lambda: self._is_closing)
        self._moved: tuple[int, set[int]] | None = None
        self._judge_process: JudgeProcess | None = None
        self._builders: Builders | None = None
        # A single thread sends requests, which keeps their order. The judge ends when this thread ends.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="harness")

    def __enter__(self) -> "HarnessProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Return the process id of the judge, or None if no judge has been started. Callers use it to measure the
        judge's memory, and tests to kill the judge.
        """
        return self._judge_process.pid if self._judge_process else None

    def open(self) -> Device:
        """Start the judge, let it measure the device's constants for the task, and return the Device with them. Waits
        while another process holds the device. Raises HarnessError if the judge fails, MachineRefusal if this machine
        cannot judge now, TaskError if the task folder is wrong, UsageError if there is no sandbox and candidates are
        not trusted.
        """
        device = _expect(Device, result_of(self._pool.submit(self._ask, "open")))
        if device.worker_core is not None:
            self._keep_off(device.worker_core)
        return device

    def _keep_off(self, core: int) -> None:
        """Forbid the calling thread to run on the CPU core number `core`, which is reserved for candidates, because the
        thread would slow them down. Store the thread's earlier set of cores, so that `close` can restore it. Raises
        OSError if the system call sched_setaffinity fails.
        """
        before = os.sched_getaffinity(0)
        self._moved = self._moved or (threading.get_native_id(), before)
        os.sched_setaffinity(0, before - {core} or before)

    def _give_core_back(self) -> None:
        if self._moved is not None:
            thread, before = self._moved
            with suppress(ProcessLookupError):  # the thread has ended
                os.sched_setaffinity(thread, before)
            self._moved = None

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> Future[Verdict]:
        """Start to judge a candidate and return at once a future of its verdict. A candidate that passes is compared
        with `incumbent`, the best kernel so far (None if there is none). A bad candidate gives a verdict, not an error;
        the future raises HarnessError, MachineRefusal, JudgeDied or TaskError if judging fails.
        """
        return self._pool.submit(self._judge, candidate, incumbent)

    def submit_revealed(self, candidate: Candidate) -> Future[Verdict]:
        """Judge a candidate without comparing it with another, and return the future of its verdict. Unlike other
        verdicts, its detail says what went wrong in a hidden case, a case that proposers must not see.

        For the owner of the task only: no run calls this, because proposers read what a run records.
        """
        return self._pool.submit(self._judge, candidate, None, reveal_hidden=True)

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Start to build `candidates` that may be judged next, in the background, and return at once. Do nothing if the
        task is not for a GPU, or if there are too few CPU cores. A failed build is not reported: it appears when the
        candidate is judged. Raises HarnessError if a candidate's file cannot be written.
        """
        if self._device.partition(":")[0] != "cuda" or affordable() < 1:
            return
        if self._builders is None:
            self._builders = Builders(affordable(), start=self._start, task=str(self._task.folder))
        self._builders.prepare([self._write(candidate) for candidate in candidates])

    def duel(self, a: Candidate, b: Candidate | None) -> Duel | Verdict:
        """Run candidates `a` and `b` in turn and return the Duel, in which the speedup is the time of `b` divided by
        that of `a`; or return the Verdict on the candidate that fails its checks. `b` is None to run against the vendor
        library. Raises HarnessError if the judge fails, MachineRefusal if there is no vendor library or the candidate
        is too slow to be compared with it.
        """
        sides = {"candidate": self._write(a)} | ({"incumbent": self._write(b)} if b else {})
        answer = result_of(self._pool.submit(self._ask, "duel", **sides))
        return answer.verdict if isinstance(answer, wire.VerdictWithDigest) else _expect(Duel, answer)

    def reproduce(self, candidate: Candidate, inputs: str) -> tuple[bool, str]:
        """Run a candidate again on the inputs of a recorded batch, without timing; return a pair: whether all outputs
        were right, and a description. `inputs` names the batch as CASE:CALLS:KEY, which a verdict's detail prints.
        Raises UsageError if it has another form or names no case of the task, HarnessError if judging fails.
        """
        case, calls, key = parse_inputs(inputs, self._task)
        body = {"candidate": self._write(candidate), "case": case, "calls": calls, "key": key}
        answer = _expect(wire.ReproducedAnswer, result_of(self._pool.submit(self._ask, "reproduce", **body)))
        return answer.is_correct, answer.detail

    def _on_wait(self, holder: str) -> None:
        place = "the CPU" if self._task.device is DeviceKind.CPU else f"GPU {self._device.partition(':')[2]}"
        self._on_progress(WAITING, f"for {place}, held by {holder}")

    def close(self) -> None:
        """End the judge and all builders, end a wait for the device, and let the thread that called `open` run on its
        former CPU cores again. Candidates that are not judged yet get no verdict: their futures are cancelled or raise
        HarnessError. A second call does nothing.
        """
        self._is_closing = True
        if self._builders:
            self._builders.close()
            self._builders = None
        if self._judge_process:
            self._judge_process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._judge_process:
            self._judge_process.close()
            self._judge_process = None
        self._give_core_back()

    def _judge(self, candidate: Candidate, incumbent: Opponent | None, *, reveal_hidden: bool = False) -> Verdict:
        """Measure a candidate and, if it passes, compare it with `incumbent`, the best kernel so far (None if it is the
        first to pass); return one verdict from both. If `reveal_hidden` is True, the verdict's detail describes hidden
        cases. No other process can use the device meanwhile. Raises HarnessError, MachineRefusal, JudgeDied or
        TaskError if judging fails.
        """
        with leased(self._device, self._wait):
            measured = self._verdict("measure", candidate, **({"reveal_hidden": True} if reveal_hidden else {}))
            if measured.measurement is None:
                return measured
            claim = {
                "measurement": asdict(measured.measurement),
                "batches": [_on_wire(batch) for batch in measured.batches if batch.case == self._task.main.name],
                "opponent": self._opponent(incumbent),
            }
            return contended(measured, self._verdict("contend", candidate, **claim))

    def _verdict(self, op: str, candidate: Candidate, **body: Any) -> Verdict:
        answer = _expect(wire.VerdictWithDigest, self._ask_leased(op, candidate=self._write(candidate), **body))
        if answer.source_digest != candidate.digest:
            judged, wanted = answer.source_digest[:12], candidate.digest[:12]
            raise HarnessError(f"the harness judged a source with the digest {judged} instead of {wanted}")
        return answer.verdict

    def _opponent(self, incumbent: Opponent | None) -> dict[str, Any] | None:
        if incumbent is None:
            return None
        times = {"time_us": incumbent.time_us, "fastest_us": incumbent.fastest_us}
        return {"role": "incumbent", "source": self._write(incumbent.candidate), **times}

    def _write(self, candidate: Candidate) -> dict[str, str]:
        """Write a candidate's source to a file in this object's folder, named by the candidate's digest, for the judge
        to read; return a dict with the file's `path` and the `language`, the form in which a request names a candidate.
        Raises HarnessError if the file cannot be written.
        """
        path = self._folder / "candidates" / f"{candidate.digest[:16]}{candidate.language.suffix}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(candidate.source.encode())
        except OSError as error:
            raise HarnessError(f"{path}: {error.strerror}: a candidate cannot be written for the judge") from error
        return {"path": str(path.resolve()), "language": candidate.language}

    def _ask(self, op: str, **body: Any) -> wire.Answer:
        """Wait until this process holds the lease of the device, send the judge the request `op` (such as `duel`) with
        the fields in `body`, and return its answer. Only the thread that sends all requests calls this method. Raises
        HarnessError (or a subclass), TaskError or UsageError if there is no result.
        """
        with leased(self._device, self._wait):
            return self._ask_leased(op, **body)

    def _ask_leased(self, op: str, **body: Any) -> wire.Answer:
        if not (self._judge_process and self._judge_process.is_alive):
            self._replace_judge(op)
        return self._send(op, **body)

    def _replace_judge(self, op: str) -> None:
        """Start a new judge because the last one has ended or none was started. Let it open the task, unless `op`, the
        request that the caller sends next, is `open` itself. Raises HarnessError if the judge ends meanwhile (not
        JudgeDied, because no candidate ran), MachineRefusal or TaskError if it cannot open the task.
        """
        if self._judge_process:
            self._judge_process.close()
        self._judge_process = self._start()
        try:
            if op != "open":
                self._send("open")
        except JudgeDied as death:
            raise HarnessError(str(death)) from death

    def _send(self, op: str, **body: Any) -> wire.Answer:
        assert self._judge_process is not None
        request_id = f"{op}-{next(self._numbers)}"
        task = str(self._task.folder)
        return self._judge_process.ask(request_id, op, on_progress=self._on_progress, task=task, **body)

    def _start(self) -> JudgeProcess:
        return JudgeProcess(python=self._python, options=self._options, log=self._folder / "harness.log")


def _on_wire(batch: Batch) -> dict[str, Any]:
    return {"case": batch.case, "calls": batch.calls, "time_us": batch.time_us, "key": batch.key}


def _expect(kind: type[T], answer: object) -> T:
    if not isinstance(answer, kind):
        raise HarnessError(f"the harness answered with {type(answer).__name__} instead of {kind.__name__}")
    return answer


def parse_inputs(inputs: str, task: Task) -> tuple[str, int, str]:
    """Return the three parts of `inputs`, a text CASE:CALLS:KEY that names a recorded batch, as a tuple: name of the
    case, number of calls, and the key from which its inputs are drawn. Raises UsageError if the text does not have that
    form, or `task` has no such case.
    """
    cases = {case.name for case in task.cases}
    match inputs.split(":"):
        case [name, calls, key] if name in cases and contract.is_key(key) and calls.isdecimal():
            if 0 < int(calls) <= contract.most_calls():
                return name, int(calls), key
    raise UsageError(
        f"--inputs {inputs}: not CASE:CALLS:KEY as a verdict prints it, e.g. main:1:{'0f' * 16}; "
        f"the cases are {', '.join(sorted(cases))}"
    )


def doctor(python: str = sys.executable) -> dict[str, Any]:
    """Return the harness's report on this machine as a dict with the keys `cpu`, `compiler`, `peaks`, `isolation`,
    `problem` and others. `python` is the path of the interpreter that runs the harness. Raises HarnessError if it does
    not run the harness, takes over 120 s, or prints no report.
    """
    command = [python, "-I", str(paths.harness_folder()), "doctor", f"--cache={paths.cache_folder()}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=DOCTOR_S)
    except OSError as error:
        raise HarnessError(f"{python} does not run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{python} did not run the harness within {DOCTOR_S:g} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it printed no error"])[-1]
        raise HarnessError(f"{python} cannot run the harness: {last}")
    try:
        report: dict[str, Any] = dict(json.loads(done.stdout))
    except (ValueError, TypeError, RecursionError) as error:
        raise HarnessError(f"{python} did not run the harness: its output is not the harness's report") from error
    return report
