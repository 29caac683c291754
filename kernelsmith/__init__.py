"""kernelsmith: an agent that optimizes kernels by iterative search, judged where it cannot reach the clock."""

from importlib.metadata import version

__version__ = version("kernelsmith")
