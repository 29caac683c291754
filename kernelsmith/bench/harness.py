"""The harness process: start it, hand it candidates, turn its answers into verdicts.

One judge is started once and keeps its calibration; each candidate is written to a file before it is judged, and the
digest of the bytes that were measured must be the digest of the source that is kept.
"""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kernelsmith import paths
from kernelsmith.bench import wire
from kernelsmith.bench.lease import leased
from kernelsmith.core.attempt import Attempt
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.run import Device
from kernelsmith.core.task import Task
from kernelsmith.core.verdict import Duel, Verdict
from kernelsmith.errors import HarnessError, UsageError

NO_ISOLATION = 3
"""The harness's exit status when the machine offers no sandbox and candidates are not trusted."""
LAST_WORDS = 2000
"""Characters of the harness's log that an error quotes from."""
ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "CC", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
"""What the judge may know of our environment; no key is among it."""
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""The judge's own arithmetic keeps to its core."""
KEY_DIGITS = 32


class HarnessProcess:
    """The agent's seam to one judge (core.seams.Harness); a context manager.

    `folder` receives the candidates as they were judged and the harness's log. Until `close`, this process keeps off
    the core that candidates run on.
    """

    def __init__(
        self,
        task: Task,
        *,
        folder: Path,
        calibration_s: float = 2.0,
        trust_candidates: bool = False,
        python: str = sys.executable,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._task = task
        self._folder = folder
        self._options = [f"--calibration-s={calibration_s}", *(["--trust-candidates"] if trust_candidates else [])]
        self._python = python
        self._on_progress = on_progress or (lambda stage: None)
        self._numbers = itertools.count()
        self._affinity = os.sched_getaffinity(0)
        self._process: subprocess.Popen[str] | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="harness")

    def __enter__(self) -> "HarnessProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The judge's process, once started; for memory accounting and fault tests."""
        return self._process.pid if self._process else None

    def open(self) -> Device:
        """Start the judge and calibrate for the task.

        Raises:
            HarnessError: the judge did not start, or calibration failed.
            UsageError: the machine offers no isolation.
        """
        answer = self._pool.submit(self._ask, "open").result()
        if not isinstance(answer, Device):
            raise HarnessError(f"the harness answered `open` with {type(answer).__name__}")
        if answer.worker_core is not None and len(self._affinity) > 1:
            os.sched_setaffinity(0, self._affinity - {answer.worker_core} or self._affinity)
        return answer

    def submit(self, candidate: Candidate, incumbent: Attempt | None) -> Future[Verdict]:
        """Judge a candidate; the future raises HarnessError, never for a candidate's fault."""
        return self._pool.submit(self._judge, candidate, incumbent)

    def duel(self, a: Candidate, b: Candidate) -> Duel | Verdict:
        """Compare two candidates (speedup = time of b / time of a), or the verdict on the one that fails.

        Raises:
            HarnessError: the harness failed.
        """
        sides = {"candidate": self._write(a), "incumbent": self._write(b)}
        answer = self._pool.submit(self._ask, "duel", **sides).result()
        if isinstance(answer, Duel):
            return answer
        if isinstance(answer, wire.Judged):
            return answer.verdict
        raise HarnessError(f"the harness answered `duel` with {type(answer).__name__}")

    def reproduce(self, candidate: Candidate, inputs: str) -> tuple[bool, str]:
        """Run one recorded batch again, unscored; `inputs` is CASE:CALLS:KEY as a verdict's detail prints it.

        Returns whether all outputs were right, and what was found.

        Raises:
            UsageError: `inputs` is not of that form.
            HarnessError: the harness failed.
        """
        case, calls, key = _parse_inputs(inputs)
        source = self._write(candidate)
        answer = self._pool.submit(self._ask, "reproduce", candidate=source, case=case, calls=calls, key=key).result()
        if not isinstance(answer, wire.ReproducedAnswer):
            raise HarnessError(f"the harness answered `reproduce` with {type(answer).__name__}")
        return answer.is_correct, answer.detail

    def close(self) -> None:
        """End the judge and give its core back."""
        process, self._process = self._process, None
        if process and process.stdin:
            process.kill()
            process.wait()
            process.stdin.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        os.sched_setaffinity(0, self._affinity)

    def _judge(self, candidate: Candidate, incumbent: Attempt | None) -> Verdict:
        answer = self._ask("judge", candidate=self._write(candidate), **self._incumbent(incumbent))
        if not isinstance(answer, wire.Judged):
            raise HarnessError(f"the harness answered `judge` with {type(answer).__name__}")
        if answer.source_digest != candidate.digest:
            raise HarnessError(f"judged {answer.source_digest[:12]}, asked for {candidate.digest[:12]}")
        return answer.verdict

    def _incumbent(self, incumbent: Attempt | None) -> dict[str, Any]:
        if incumbent is None or incumbent.proposal.candidate is None or incumbent.verdict.measurement is None:
            return {}
        time_us = incumbent.verdict.measurement.time_us
        fastest_us = min((batch.time_us for batch in incumbent.verdict.batches), default=time_us)
        return {
            "incumbent": self._write(incumbent.proposal.candidate),
            "incumbent_time": {"time_us": time_us, "fastest_us": fastest_us},
        }

    def _write(self, candidate: Candidate) -> dict[str, str]:
        """The candidate as a file, named by its digest."""
        path = self._folder / "candidates" / f"{candidate.digest[:16]}{candidate.language.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(candidate.source.encode())
        return {"path": str(path.resolve()), "language": candidate.language}

    def _ask(self, op: str, **body: Any) -> wire.Answer:
        """One request, under the device lease; runs in the pool's only thread."""
        with leased(self._task.device):
            process, answers = self._started()
            request_id = f"{op}-{next(self._numbers)}"
            try:
                assert process.stdin is not None
                process.stdin.write(wire.request(request_id, op, task=str(self._task.folder), **body))
                process.stdin.flush()
            except OSError as error:
                raise self._death(process) from error
            return self._await(process, answers, request_id)

    def _await(self, process: subprocess.Popen[str], answers: Any, request_id: str) -> wire.Answer:
        for line in answers:
            answer_id, answer = wire.read(line)
            if answer_id != request_id:
                raise HarnessError(f"the harness answered {answer_id!r}, asked was {request_id!r}")
            if isinstance(answer, wire.ProgressAnswer):
                self._on_progress(answer.stage)
            elif isinstance(answer, wire.ErrorAnswer):
                raise HarnessError(answer.message)
            else:
                return answer
        raise self._death(process)

    def _started(self) -> tuple[subprocess.Popen[str], Any]:
        """The running judge; a new one where there is none, or the last one died."""
        if self._process is None or self._process.poll() is not None:
            self._process, self._answers = self._start()
        return self._process, self._answers

    def _start(self) -> tuple[subprocess.Popen[str], Any]:
        self._folder.mkdir(parents=True, exist_ok=True)
        ours, theirs = os.pipe()
        with open(self._log_path, "ab") as log:
            process = subprocess.Popen(
                self._command(theirs),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(theirs,),
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | SINGLE_THREADED,
                start_new_session=True,
                text=True,
            )
        os.close(theirs)
        return process, os.fdopen(ours, encoding="utf-8")

    def _command(self, answers_fd: int) -> list[str]:
        place = [f"--cache={paths.cache_folder()}", f"--answers-fd={answers_fd}", f"--parent={os.getpid()}"]
        return [self._python, "-I", str(paths.harness_folder()), "serve", *place, *self._options]

    @property
    def _log_path(self) -> Path:
        return self._folder / "harness.log"

    def _death(self, process: subprocess.Popen[str]) -> Exception:
        status = process.wait()
        words = self._log_path.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:].strip()
        last = words.splitlines()[-1] if words else "it said nothing"
        if status == NO_ISOLATION:
            return UsageError(f"{last}; --trust-candidates runs them without a sandbox")
        return HarnessError(f"the harness ended with status {status}: {last} (see {self._log_path})")


def _parse_inputs(inputs: str) -> tuple[str, int, str]:
    match inputs.split(":"):
        case [name, calls, key] if calls.isdecimal() and int(calls) > 0 and len(key) == KEY_DIGITS:
            return name, int(calls), key
    raise UsageError(f"--inputs {inputs}: not CASE:CALLS:KEY as a verdict prints it, e.g. main:1:{'0f' * 16}")


def doctor(python: str = sys.executable) -> dict[str, Any]:
    """What the harness finds on this machine: cpu, cores, compiler, peak_flops, isolation, why_not_higher, problem.

    Raises:
        HarnessError: it does not start under this interpreter.
    """
    command = [python, "-I", str(paths.harness_folder()), "doctor", f"--cache={paths.cache_folder()}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise HarnessError(
            f"{python} cannot run the harness: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}"
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
