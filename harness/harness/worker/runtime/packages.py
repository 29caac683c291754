"""The folder in which a worker or a build finds Triton: the only edit of an import path in either program."""

import sys


def offer(folder: str) -> None:
    """Let `import triton` find the package in this folder, after everything else."""
    sys.path.append(folder)
