"""The pipe on which a judge answers, read line by line: bounded in length, bounded in patience. It knows no JSON."""

import os
import select
import time

from kernelsmith.errors import HarnessError

MAX_LINE = 4 << 20
"""Bytes of an answer. A verdict with every batch and its telemetry takes a tenth of it."""
SILENCE_S = 2 * 3600.0
"""Without a word, after which a judge is given up: its longest stage, with every call at its deadline, is shorter."""
PIECE = 1 << 16


class UnendedAnswer(HarnessError):
    """The writer closed the pipe within a line."""


class AnswerPipe:
    """The reader's end; `line` is None once the writer has closed the other."""

    def __init__(self, descriptor: int, *, silence_s: float = SILENCE_S) -> None:
        self._descriptor = descriptor
        self._silence_s = silence_s
        self._read = bytearray()
        self._is_open = True

    def line(self) -> bytes | None:
        """Return the next line with its end.

        Raises:
            UnendedAnswer: the writer closed the pipe within a line.
            HarnessError: the line is longer than any answer, or the writer says nothing.
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
        found = bytes(self._read[: end + 1])
        del self._read[: end + 1]
        return found

    def close(self) -> None:
        """Close our end; twice is once."""
        if self._is_open:
            os.close(self._descriptor)
            self._is_open = False

    def _fill(self, deadline: float) -> bool:
        """Wait for more; False at the end of what is written."""
        left_s = max(deadline - time.monotonic(), 0.0)
        ready, _, _ = select.select([self._descriptor], [], [], left_s)
        if not ready:
            raise HarnessError(f"the harness said nothing for {self._silence_s:g} s")
        piece = os.read(self._descriptor, PIECE)
        self._read += piece
        return bool(piece)
