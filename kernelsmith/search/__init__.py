"""The search strategies: a strategy decides what the next ask (a numbered request for a candidate) wants. It is a pure
function of the run's history.
"""

from kernelsmith.search.ladder import Ladder

__all__ = ["Ladder"]
