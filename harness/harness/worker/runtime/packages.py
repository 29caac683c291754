"""Add the folder with the package triton to the import path of a worker or a build; no other code changes the import
path."""

import sys


def offer(folder: str) -> None:
    """Append `folder`, which contains the package triton, to the end of Python's import path in this process; return
    nothing. `import triton` then finds it, unless an earlier place has a package of this name."""
    sys.path.append(folder)
