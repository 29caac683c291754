"""The search strategies: each one decides what the next ask wants, as a pure function of a run's history."""

from kernelsmith.search.ladder import Ladder

__all__ = ["Ladder"]
