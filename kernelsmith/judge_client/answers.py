"""Read the answers of the judge (a process of the harness) from a pipe, line by line, with limits on length and
silence. This module knows no JSON.
"""

import os
import select
import time

from kernelsmith.errors import HarnessError

MAX_LINE = 4 << 20
"""The most bytes of an answer's line. A verdict with every batch and its telemetry takes a tenth of that."""
SILENCE_S = 2 * 3600.0
"""Seconds without an answer after which a judge is given up. The longest stage is shorter, even at every deadline."""
PIECE = 1 << 16
"""The most bytes of one read."""


class UnendedAnswer(HarnessError):
    """The judge closed the pipe of its answers in the middle of an answer, most likely because it died. The message
    says how many bytes had arrived.
    """


class AnswerPipe:
    """The reading end of the pipe on which a judge (a process of the harness) sends its answers, one a line.
    `descriptor` is the pipe's file descriptor, which `close` closes. `silence_s` is the most seconds that `line` waits
    for a complete line.
    """

    def __init__(self, descriptor: int, *, silence_s: float = SILENCE_S) -> None:
        self._descriptor = descriptor
        self._silence_s = silence_s
        self._read = bytearray()
        self._is_open = True

    def line(self) -> bytes | None:
        """Wait for the next line of the pipe and return it as bytes with its newline, or None once the judge has closed
        the pipe. Raises UnendedAnswer if the judge closed the pipe within a line, HarnessError if the line is longer
        than 4 MiB, or is not complete within `silence_s` seconds.
        """
        deadline, searched = time.monotonic() + self._silence_s, 0
        while (end := self._read.find(b"\n", searched)) < 0:
            searched = len(self._read)
            if searched > MAX_LINE:
                raise HarnessError(f"the harness answered with a line of more than {MAX_LINE:,} bytes")
            if not self._fill(deadline):
                if self._read:
                    raise UnendedAnswer(f"the harness stopped within an answer, {len(self._read):,} bytes into it")
                return None
        line = bytes(self._read[: end + 1])
        del self._read[: end + 1]
        return line

    def close(self) -> None:
        """Close the file descriptor of the reading end, after which `line` cannot be called. A second call does
        nothing.
        """
        if self._is_open:
            os.close(self._descriptor)
            self._is_open = False

    def _fill(self, deadline: float) -> bool:
        """Wait until more bytes arrive in the pipe and add them to the buffer of this object; return True, or False
        once the writer has closed the pipe. `deadline` is a time in seconds of time.monotonic(). Raises HarnessError if
        no byte has arrived by then.
        """
        left_s = max(deadline - time.monotonic(), 0.0)
        ready, _, _ = select.select([self._descriptor], [], [], left_s)
        if not ready:
            raise HarnessError(f"the harness sent no answer for {self._silence_s:g} s")
        piece = os.read(self._descriptor, PIECE)
        self._read += piece
        return bool(piece)
