"""Controls one sandboxed process from the judge: wait for its end, suspend it (SIGSTOP), resume it (SIGCONT), kill it
(SIGKILL).
"""

import os
import signal
import time
from contextlib import suppress

_STOP_DEADLINE_S = 1.0
_POLLS_WITHOUT_SLEEP = 300
"""Polls for a stop before the first sleep: a stop takes about 70 us, and sleeping at once would delay its notice."""


class Process:
    """A running or ended sandboxed process, with its process id `pid`. `launch` makes it. Signals go to its whole
    process group, so that processes which it forked are suspended and killed with it.

    The process is the leader of a session and process group of its own, and the sandbox forbids processes to leave
    their group.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._stopped = False
        self._status: int | None = None
        self._remark = ""

    def poll(self) -> int | None:
        """Return, without waiting, None while the process runs or is suspended. After its end return its exit code, or
        minus the number of the signal that killed it.
        """
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._end(status)
        return None if self._status is None else os.waitstatus_to_exitcode(self._status)

    def wait(self, timeout_s: float) -> int | None:
        """Wait at most `timeout_s` seconds for the process to end. Return its exit code, or minus the number of the
        signal that killed it; None if it still runs after that time.
        """
        end, pause = time.monotonic() + timeout_s, 0.0002
        while (code := self.poll()) is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(2 * pause, 0.005)
        return code

    def kill(self) -> None:
        """Kill the whole process group with SIGKILL and wait for the end of its leader. After that the process writes
        nothing more. Do nothing if the end of the process was noticed before.
        """
        if self._status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._end(os.waitpid(self.pid, 0)[1])

    def stop(self) -> bool:
        """Suspend the process group with SIGSTOP and wait until every thread of the process is suspended; return True
        then, and False if the process has ended. A process that is not suspended within 1 s is killed and False is
        returned; `describe_end` then says so in words.
        """
        if self._stopped:
            return True
        if self.poll() is not None:
            return False
        os.killpg(self.pid, signal.SIGSTOP)
        return self._await_stop()

    def _await_stop(self) -> bool:
        end, polls = time.monotonic() + _STOP_DEADLINE_S, 0
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)
            if pid and os.WIFSTOPPED(status):
                self._stopped = True
                return True
            if pid:
                self._end(status)
                return False
            polls += 1
            if polls > _POLLS_WITHOUT_SLEEP:
                time.sleep(100e-6)
        self.kill()
        self._remark = f" because it did not stop within {_STOP_DEADLINE_S:g} s of SIGSTOP"
        return False

    def cont(self) -> None:
        """Resume the suspended process group with SIGCONT, without waiting. Do nothing if the end of the process was
        noticed before.
        """
        if self._status is None:
            self._stopped = False
            os.killpg(self.pid, signal.SIGCONT)

    def describe_end(self) -> str:
        """Return, as words for an error message, how the process ended: `killed by SIGSEGV`, `exited with 3`; or `still
        running`. The words also say if the process was killed because it did not react to SIGSTOP.
        """
        code = self.poll()
        if code is None:
            return "still running"
        if code >= 0:
            return f"exited with {code}{self._remark}"
        names = {number.value: number.name for number in signal.Signals}
        return f"killed by {names.get(-code, f'signal {-code}')}{self._remark}"

    def _end(self, status: int) -> None:
        self._status = status
        # A build may leave processes running in its group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
