"""The judge as a process: started once, asked one line at a time, answering on a pipe that candidates never hold."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

from kernelsmith import paths
from kernelsmith.core.caps import QUOTED, cut
from kernelsmith.core.seams import OnProgress
from kernelsmith.errors import HarnessError, JudgeDied, KernelsmithError, MachineRefusal, TaskError, UsageError
from kernelsmith.judge_client import wire
from kernelsmith.judge_client.answers import SILENCE_S, AnswerPipe, UnendedAnswer

NO_ISOLATION = 3
"""The harness's exit status when the machine offers no sandbox and candidates are not trusted."""
LAST_WORDS = 2000
"""Bytes of the harness's log that an error quotes from."""
MOST_STAGES = 10_000
"""Progress answers to one request, one for each case among them; a judge that sends more will never come to an end."""
LAST_BREATH_S = 10.0
"""Between the end of its answers and its own end, after which a judge is killed."""
ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "CC", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
               "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "NVCC")  # fmt: skip
"""What the judge may know of our environment; no key is among it."""
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""The judge's own arithmetic keeps to its core."""
ERRORS: dict[wire.Fault, type[KernelsmithError]] = {
    wire.Fault.HARNESS: HarnessError,
    wire.Fault.MACHINE: MachineRefusal,
    wire.Fault.TASK: TaskError,
}


class JudgeProcess:
    """One running judge. It dies with the thread that started it, and with this process."""

    def __init__(self, *, python: str, options: list[str], log: Path, silence_s: float = SILENCE_S) -> None:
        self._log = log
        self._has_answered = False
        self._is_killed = False
        log.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = os.pipe()
        self._answers = AnswerPipe(ours, silence_s=silence_s)
        command = [python, "-I", str(paths.harness_folder()), "serve", *_place(theirs), *options]
        try:
            self._process = _started(command, log=log, answers_fd=theirs)
        except OSError as error:
            self._answers.close()
            raise HarnessError(f"{python} does not run: {error.strerror}") from error
        finally:
            os.close(theirs)

    @property
    def pid(self) -> int:
        """For memory accounting and fault tests."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def ask(self, request_id: str, op: str, *, on_progress: OnProgress, **body: Any) -> wire.Answer:
        """Return the final answer to one request.

        A judge that answers anything else is killed: what it would say next belongs to no request.

        Raises:
            HarnessError: the judge did not start, failed, fell silent, or answered something else.
            MachineRefusal: this machine cannot judge now.
            JudgeDied: the judge answered before, and ended in the middle of this request.
            TaskError: a file of the task folder is wrong.
            UsageError: the machine offers no isolation.
        """
        self._send(wire.request(request_id, op, **body))
        try:
            answer = self._final(request_id, on_progress)
        except HarnessError:
            self.kill()
            raise
        if isinstance(answer, wire.ErrorAnswer):
            raise ERRORS[answer.fault](answer.message)
        return answer

    def _final(self, request_id: str, on_progress: OnProgress) -> wire.Answer:
        for _ in range(MOST_STAGES):
            line = self._line()
            answer_id, answer = wire.read(line)
            self._has_answered = True
            misread = isinstance(answer, wire.ErrorAnswer) and not answer_id
            if answer_id != request_id and not misread:
                raise HarnessError(f"the harness answered {cut(answer_id, QUOTED)!r}, asked was {request_id!r}")
            if not isinstance(answer, wire.ProgressAnswer):
                return answer
            on_progress(answer.stage, answer.step)
        raise HarnessError(f"the harness told {MOST_STAGES:,} stages of {request_id!r} and no end")

    def _line(self) -> bytes:
        try:
            line = self._answers.line()
        except UnendedAnswer as unended:
            raise self._death(str(unended)) from unended
        if line is None:
            raise self._death()
        return line

    def kill(self) -> None:
        """End the process, if it has not ended; a thread that waits for an answer gets a HarnessError."""
        self._is_killed = True
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it and close the pipes; nobody may be waiting for an answer."""
        self.kill()
        self._answers.close()
        # Bytes of a request may be left that the dead judge never read.
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error

    def _death(self, last_answer: str = "") -> KernelsmithError:
        """Return what the end of the process means: only one that has answered before can have died of a candidate."""
        try:
            status = self._process.wait(LAST_BREATH_S)
        except subprocess.TimeoutExpired:
            return JudgeDied(f"the harness closed its answers and goes on (see {self._log})")
        words = _end_of(self._log).strip()
        last = last_answer or (words.splitlines()[-1] if words else "it said nothing")
        if status == NO_ISOLATION:
            return UsageError(f"{last}; --trust-candidates runs them without a sandbox")
        kind = JudgeDied if self._has_answered and not self._is_killed else HarnessError
        return kind(f"the harness ended with status {status}: {last} (see {self._log})")


def _started(command: list[str], *, log: Path, answers_fd: int) -> "subprocess.Popen[bytes]":
    with open(log, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(answers_fd,),
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | SINGLE_THREADED,
            start_new_session=True,
        )


def _end_of(log: Path) -> str:
    with open(log, "rb") as said:
        said.seek(max(said.seek(0, os.SEEK_END) - LAST_WORDS, 0))
        return said.read().decode(errors="replace")


def _place(answers_fd: int) -> list[str]:
    return [f"--cache={paths.cache_folder()}", f"--answers-fd={answers_fd}", f"--parent={os.getpid()}"]
