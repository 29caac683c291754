"""Strategies: what to ask for next, as pure functions of history."""

from kernelsmith.search.ladder import Ladder

__all__ = ["Ladder"]
