"""The judge as a process: started once, asked one line at a time, answering on a pipe that candidates never hold."""

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernelsmith import paths
from kernelsmith.bench import wire
from kernelsmith.errors import HarnessError, UsageError

NO_ISOLATION = 3
"""The harness's exit status when the machine offers no sandbox and candidates are not trusted."""
LAST_WORDS = 2000
"""Characters of the harness's log that an error quotes from."""
ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "CC", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
               "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "NVCC")  # fmt: skip
"""What the judge may know of our environment; no key is among it."""
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""The judge's own arithmetic keeps to its core."""


def known_environment() -> dict[str, str]:
    """What of our environment the harness is given."""
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


class JudgeProcess:
    """One running judge. It dies with the thread that started it, and with this process."""

    def __init__(self, *, python: str, options: list[str], log: Path) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = os.pipe()
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [python, "-I", str(paths.harness_folder()), "serve", *_place(theirs), *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(theirs,),
                env=known_environment() | SINGLE_THREADED,
                start_new_session=True,
                text=True,
            )
        os.close(theirs)
        self._answers = os.fdopen(ours, encoding="utf-8")

    @property
    def pid(self) -> int:
        """For memory accounting and fault tests."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def ask(self, request_id: str, op: str, *, on_progress: Callable[[str], None], **body: Any) -> wire.Answer:
        """The final answer to one request.

        Raises:
            HarnessError: the judge failed, died, or answered something else.
            UsageError: the machine offers no isolation.
        """
        self._send(wire.request(request_id, op, **body))
        for line in self._answers:
            answer_id, answer = wire.read(line)
            if answer_id != request_id:
                raise HarnessError(f"the harness answered {answer_id!r}, asked was {request_id!r}")
            if isinstance(answer, wire.ErrorAnswer):
                raise HarnessError(answer.message)
            if not isinstance(answer, wire.ProgressAnswer):
                return answer
            on_progress(answer.stage)
        raise self._death()

    def kill(self) -> None:
        """End it, if it has not ended; who waits for an answer gets a HarnessError."""
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
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error

    def _death(self) -> Exception:
        status = self._process.wait()
        words = self._log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:].strip()
        last = words.splitlines()[-1] if words else "it said nothing"
        if status == NO_ISOLATION:
            return UsageError(f"{last}; --trust-candidates runs them without a sandbox")
        return HarnessError(f"the harness ended with status {status}: {last} (see {self._log})")


def _place(answers_fd: int) -> list[str]:
    return [f"--cache={paths.cache_folder()}", f"--answers-fd={answers_fd}", f"--parent={os.getpid()}"]
