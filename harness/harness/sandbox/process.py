"""A sandboxed process as the judge holds it: wait for it, stop it, let it go on, kill all of it, say how it ended."""

import os
import signal
import time
from contextlib import suppress

_STOP_DEADLINE_S = 1.0
_LOOKS_WITHOUT_SLEEP = 300
"""A stop takes some 70 us; sleeping at once would make it longer."""


class Process:
    """The leader of its own session and process group; what it forked stays in the group, for it may not leave."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._stopped = False
        self._status: int | None = None
        self._remark = ""

    def poll(self) -> int | None:
        """Exit code, minus the signal's number where one killed it; None while it lives."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._end(status)
        return None if self._status is None else os.waitstatus_to_exitcode(self._status)

    def wait(self, timeout_s: float) -> int | None:
        """As `poll`, once the process has ended or the time is over."""
        end, pause = time.monotonic() + timeout_s, 0.0002
        while (code := self.poll()) is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(2 * pause, 0.005)
        return code

    def kill(self) -> None:
        """SIGKILL to the whole group, and reap the leader: afterwards it writes nothing any more."""
        if self._status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._end(os.waitpid(self.pid, 0)[1])

    def stop(self) -> bool:
        """Stop every thread; true once all stand still, false where the process has ended (its end is described)."""
        if self._stopped:
            return True
        if self.poll() is not None:
            return False
        os.killpg(self.pid, signal.SIGSTOP)
        return self._await_stop()

    def _await_stop(self) -> bool:
        end, looks = time.monotonic() + _STOP_DEADLINE_S, 0
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)
            if pid and os.WIFSTOPPED(status):
                self._stopped = True
                return True
            if pid:
                self._end(status)
                return False
            looks += 1
            if looks > _LOOKS_WITHOUT_SLEEP:
                time.sleep(100e-6)
        self.kill()
        self._remark = ", for it did not stop when told to"
        return False

    def cont(self) -> None:
        """Let a stopped process go on."""
        if self._status is None:
            self._stopped = False
            os.killpg(self.pid, signal.SIGCONT)

    def describe_end(self) -> str:
        """`killed by SIGSEGV`, `exited with 3`, or `still running`."""
        code = self.poll()
        if code is None:
            return "still running"
        if code >= 0:
            return f"exited with {code}{self._remark}"
        names = {number.value: number.name for number in signal.Signals}
        return f"killed by {names.get(-code, f'signal {-code}')}{self._remark}"

    def _end(self, status: int) -> None:
        self._status = status
        # What a build left running in the group goes with its leader.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
