"""The search strategies. A strategy decides what the next ask (a numbered request for a candidate) requires: the kind
of step and the attempt to start from. It is a pure function of the run's history.
"""

from kernelsmith.search.ladder import Ladder

__all__ = ["Ladder"]
