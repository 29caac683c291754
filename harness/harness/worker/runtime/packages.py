"""Add the folder with the package triton to the import path of a worker or a build; no other code changes the import
path."""

import sys


def offer(folder: str) -> None:
    """Append `folder`, the path of a folder that contains the package triton, to the end of sys.path, Python's import
    path, in this process; return nothing. `import triton` then finds the package there, unless an earlier folder of
    sys.path has a package of this name."""
    sys.path.append(folder)
