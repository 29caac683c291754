"""Adds Triton's folder to the import path of a worker or a build. Nothing else changes an import path."""

import sys


def offer(folder: str) -> None:
    """Append a folder to the import path, so that `import triton` finds the package there, after all other places."""
    sys.path.append(folder)
