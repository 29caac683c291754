"""The harness as the agent knows it: hand it candidates, get verdicts.

One judge is started once and keeps its calibration; each candidate is written to a file before it is judged, and the
digest of the bytes that were measured must be the digest of the source that is kept.
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
from kernelsmith.core.run import Device
from kernelsmith.core.seams import OnProgress
from kernelsmith.core.task import Task
from kernelsmith.core.verdict import Batch, Duel, Verdict
from kernelsmith.errors import HarnessError, JudgeDied, UsageError
from kernelsmith.judge_client import wire
from kernelsmith.judge_client.builders import Builders, affordable
from kernelsmith.judge_client.lease import leased
from kernelsmith.judge_client.merging import contended
from kernelsmith.judge_client.process import JudgeProcess

DOCTOR_S = 120.0
"""For a look at the machine."""

DEVICES = {DeviceKind.CPU: "cpu", DeviceKind.CUDA: "cuda:0"}
"""Which device of a kind; CUDA_VISIBLE_DEVICES says which GPU is the first."""

T = TypeVar("T")


class HarnessProcess:
    """The agent's seam to one judge (core.seams.Harness); a context manager.

    `folder` receives the candidates as they were judged and the harness's log. From `open` to `close`, the thread that
    opened keeps off the core that candidates run on, and so do the threads and programs that it starts. `device` is
    `scripted:FILE`, or None for the device of the task's kind. `isolation_at_most` lowers the level of the sandbox, to
    see what each one stops: no run does that.
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
        self._moved: tuple[int, set[int]] | None = None
        self._judge_process: JudgeProcess | None = None
        self._builders: Builders | None = None
        # One thread speaks to the judge: requests keep their order, and the judge dies with it.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="harness")

    def __enter__(self) -> "HarnessProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The judge's process, once started; for memory accounting and fault tests."""
        return self._judge_process.pid if self._judge_process else None

    def open(self) -> Device:
        """Start the judge, calibrate for the task, and return the device.

        Raises:
            HarnessError: the judge did not start, or calibration failed; MachineRefusal: this machine cannot judge now.
            TaskError: a file of the task folder is wrong.
            UsageError: the machine offers no isolation.
        """
        device = _expect(Device, self._pool.submit(self._ask, "open").result())
        if device.worker_core is not None:
            self._keep_off(device.worker_core)
        return device

    def _keep_off(self, core: int) -> None:
        """Keep this thread off a core, and note which cores it may use otherwise: Linux keeps them by thread."""
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
        """Judge a candidate; the future raises what JudgeProcess.ask raises, never for a candidate's fault."""
        return self._pool.submit(self._judge, candidate, incumbent)

    def judge_revealed(self, candidate: Candidate) -> Verdict:
        """Judge a candidate without an incumbent; the verdict says what went wrong in a hidden case.

        For the owner of the task only: no run calls this, because proposers read what a run records.
        """
        return self._pool.submit(self._judge, candidate, None, reveal_hidden=True).result()

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Build ahead what may be judged next, where that disturbs nobody: for a GPU, and with cores to spare."""
        if self._device.partition(":")[0] != "cuda" or affordable() < 1:
            return
        if self._builders is None:
            self._builders = Builders(affordable(), start=self._start, task=str(self._task.folder))
        self._builders.prepare([self._write(candidate) for candidate in candidates])

    def duel(self, a: Candidate, b: Candidate | None) -> Duel | Verdict:
        """Compare two candidates (speedup = time of b / time of a), or the verdict on the one that fails.

        Without `b` the vendor line is compared with.

        Raises:
            HarnessError: the harness failed, or there is no vendor line.
        """
        sides = {"candidate": self._write(a)} | ({"incumbent": self._write(b)} if b else {})
        answer = self._pool.submit(self._ask, "duel", **sides).result()
        return answer.verdict if isinstance(answer, wire.VerdictWithDigest) else _expect(Duel, answer)

    def reproduce(self, candidate: Candidate, inputs: str) -> tuple[bool, str]:
        """Run one recorded batch again, unscored; `inputs` is CASE:CALLS:KEY as a verdict's detail prints it.

        Returns whether all outputs were right, and what was found.

        Raises:
            UsageError: `inputs` is not of that form.
            HarnessError: the harness failed.
        """
        case, calls, key = parse_inputs(inputs, self._task)
        body = {"candidate": self._write(candidate), "case": case, "calls": calls, "key": key}
        answer = _expect(wire.ReproducedAnswer, self._pool.submit(self._ask, "reproduce", **body).result())
        return answer.is_correct, answer.detail

    def close(self) -> None:
        """End the judge, with whoever builds ahead of it, and give its core back."""
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
        """Measure a candidate and, if it passes, let it contend; no other process gets the device in between."""
        with leased(self._device):
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
            raise HarnessError(f"judged {answer.source_digest[:12]}, asked for {candidate.digest[:12]}")
        return answer.verdict

    def _opponent(self, incumbent: Opponent | None) -> dict[str, Any] | None:
        if incumbent is None:
            return None
        times = {"time_us": incumbent.time_us, "fastest_us": incumbent.fastest_us}
        return {"role": "incumbent", "source": self._write(incumbent.candidate), **times}

    def _write(self, candidate: Candidate) -> dict[str, str]:
        """The candidate as a file, named by its digest."""
        path = self._folder / "candidates" / f"{candidate.digest[:16]}{candidate.language.suffix}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(candidate.source.encode())
        except OSError as error:
            raise HarnessError(f"{path}: {error.strerror}: a candidate cannot be written for the judge") from error
        return {"path": str(path.resolve()), "language": candidate.language}

    def _ask(self, op: str, **body: Any) -> wire.Answer:
        """Send one request under the device lease; this runs in the pool's only thread."""
        with leased(self._device):
            return self._ask_leased(op, **body)

    def _ask_leased(self, op: str, **body: Any) -> wire.Answer:
        if not (self._judge_process and self._judge_process.is_alive):
            self._replace_judge(op)
        return self._send(op, **body)

    def _replace_judge(self, op: str) -> None:
        """Start a judge. Before any other request it opens the task, so that a death in there is no candidate's doing.

        Raises:
            HarnessError: the judge ended while it opened the task; never JudgeDied.
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
        raise HarnessError(f"the harness answered with {type(answer).__name__}, expected was {kind.__name__}")
    return answer


def parse_inputs(inputs: str, task: Task) -> tuple[str, int, str]:
    """The case, the number of calls and the key of CASE:CALLS:KEY. Raises UsageError: it is not of that form."""
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
    """What the harness finds on this machine: cpu, cores, compiler, peaks, isolation, why_not_higher, problem.

    Raises:
        HarnessError: it does not start under this interpreter.
    """
    command = [python, "-I", str(paths.harness_folder()), "doctor", f"--cache={paths.cache_folder()}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=DOCTOR_S)
    except OSError as error:
        raise HarnessError(f"{python} does not run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{python} did not run the harness within {DOCTOR_S:g} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise HarnessError(f"{python} cannot run the harness: {last}")
    try:
        found: dict[str, Any] = dict(json.loads(done.stdout))
    except (ValueError, TypeError, RecursionError) as error:
        raise HarnessError(f"{python} did not run the harness: what it printed is no finding") from error
    return found
