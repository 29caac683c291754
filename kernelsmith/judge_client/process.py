"""Start a judge (a process of the harness, which measures candidates), send it one request at a time, and read its
answers from a pipe that no candidate can open.
"""

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
"""Bytes at the end of the harness's log from which an error message quotes the last line."""
MOST_STAGES = 10_000
"""The most progress answers to one request. A judge sends one for each stage and case; more mean an endless loop."""
LAST_BREATH_S = 10.0
"""Seconds that a judge may still run after it has closed its answers, before it is killed."""
ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "CC", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
               "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "NVCC")  # fmt: skip
"""Environment variables that are passed on to the judge. None of them holds a key of an endpoint."""
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Environment variables that keep the judge's own arithmetic on one core."""
ERRORS: dict[wire.Fault, type[KernelsmithError]] = {
    wire.Fault.HARNESS: HarnessError,
    wire.Fault.MACHINE: MachineRefusal,
    wire.Fault.TASK: TaskError,
}


class JudgeProcess:
    """One running judge: a process of the harness, which measures candidates. `python` is the interpreter's path,
    `options` are the harness's command-line options, `log` is the path of the file that receives its output.
    `silence_s` is the most seconds to wait for a line of an answer. Creating it raises HarnessError if the interpreter
    cannot be run.

    The operating system's kernel kills the judge when the thread that started it ends, or this process.
    """

    def __init__(self, *, python: str, options: list[str], log: Path, silence_s: float = SILENCE_S) -> None:
        self._log = log
        self._has_answered = False
        self._is_killed = False
        log.parent.mkdir(parents=True, exist_ok=True)
        reading_end, writing_end = os.pipe()
        self._answers = AnswerPipe(reading_end, silence_s=silence_s)
        command = [python, "-I", str(paths.harness_folder()), "serve", *_options_of(writing_end), *options]
        try:
            self._process = _start_process(command, log=log, answers_fd=writing_end)
        except OSError as error:
            self._answers.close()
            raise HarnessError(f"{python} does not run: {error.strerror}") from error
        finally:
            os.close(writing_end)

    @property
    def pid(self) -> int:
        """Return the process id of the judge, also after its end. Callers use it to measure the judge's memory, and
        tests to kill the judge.
        """
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return True if the judge's process is still running. False means that `ask` would raise an error."""
        return self._process.poll() is None

    def ask(self, request_id: str, op: str, *, on_progress: OnProgress, **body: Any) -> wire.Answer:
        """Send the request `op` (such as `measure`) with the fields in `body` and wait for the final answer, which is
        returned; `request_id` is a text that each answer repeats. Meanwhile call `on_progress` with the names of stage
        and step. Raises JudgeDied if the judge ends during the request, MachineRefusal, TaskError or UsageError if
        machine, task or missing sandbox is at fault, else HarnessError (also on silence).

        A judge that breaks the protocol is killed, because its later answers could not be matched with requests.
        JudgeDied is raised only if the judge had answered before; otherwise no candidate ran, and the error is
        HarnessError.
        """
        self._send(wire.request(request_id, op, **body))
        try:
            answer = self._final_answer(request_id, on_progress)
        except HarnessError:
            self.kill()
            raise
        if isinstance(answer, wire.ErrorAnswer):
            raise ERRORS[answer.fault](answer.message)
        return answer

    def _final_answer(self, request_id: str, on_progress: OnProgress) -> wire.Answer:
        for _ in range(MOST_STAGES):
            line = self._line()
            answer_id, answer = wire.read(line)
            self._has_answered = True
            is_refusal_of_the_line = isinstance(answer, wire.ErrorAnswer) and not answer_id
            if answer_id != request_id and not is_refusal_of_the_line:
                raise HarnessError(f"the harness answered request {cut(answer_id, QUOTED)!r} instead of {request_id!r}")
            if not isinstance(answer, wire.ProgressAnswer):
                return answer
            on_progress(answer.stage, answer.step)
        raise HarnessError(f"the harness sent {MOST_STAGES:,} progress answers to {request_id!r} and no final answer")

    def _line(self) -> bytes:
        try:
            line = self._answers.line()
        except UnendedAnswer as unended:
            raise self._error_at_end(str(unended)) from unended
        if line is None:
            raise self._error_at_end()
        return line

    def kill(self) -> None:
        """Kill the judge's process with SIGKILL, if it runs, and wait for its end. Another thread that waits in `ask`
        then gets a HarnessError. A second call does nothing.
        """
        self._is_killed = True
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill the judge's process, wait for its end, and close the pipes to it. The object cannot be used afterwards.
        No thread may be waiting in `ask`.
        """
        self.kill()
        self._answers.close()
        # Closing flushes bytes of a request that the dead judge did not read.
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError as error:
            raise self._error_at_end() from error

    def _error_at_end(self, last_answer: str = "") -> KernelsmithError:
        """Return, not raise, the error for a judge that ended or closed its answer pipe during a request: UsageError if
        it found no sandbox, JudgeDied if it had answered before and this object did not kill it, else HarnessError.
        `last_answer` is a text about an answer that was cut off, or empty.

        The error is JudgeDied only for a judge that had answered before, because no candidate ran in any other.
        """
        try:
            status = self._process.wait(LAST_BREATH_S)
        except subprocess.TimeoutExpired:
            return JudgeDied(f"the harness closed its answers and still runs (see {self._log})")
        lines = _last_text(self._log).strip().splitlines()
        last = last_answer or (lines[-1] if lines else "it printed no error")
        if status == NO_ISOLATION:
            return UsageError(f"{last}; --trust-candidates runs them without a sandbox")
        kind = JudgeDied if self._has_answered and not self._is_killed else HarnessError
        return kind(f"the harness ended with status {status}: {last} (see {self._log})")


def _start_process(command: list[str], *, log: Path, answers_fd: int) -> "subprocess.Popen[bytes]":
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


def _last_text(log: Path) -> str:
    with open(log, "rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - LAST_WORDS, 0))
        return file.read().decode(errors="replace")


def _options_of(answers_fd: int) -> list[str]:
    return [f"--cache={paths.cache_folder()}", f"--answers-fd={answers_fd}", f"--parent={os.getpid()}"]
