"""Copy files of the worker's program into a private folder (a folder that only one sandboxed process uses), from which
the sandboxed Python interpreter runs them."""

from collections.abc import Iterable
from pathlib import Path

from harness.worker import runtime

PACKAGE = "worker"
"""Name of the package that holds the copied files: inside the worker, the module is `worker.driver`."""
GPU_FILES = (
    "__init__.py",
    "gpu.py",
    "driver.py",
    "faults.py",
    "layout.py",
    "packages.py",
    "tensor.py",
    "triton_driver.py",
)
"""Runtime files that a GPU worker needs."""
GPU_PROGRAM = b"from worker.gpu import main\n\nmain()\n"
"""Text of the `__main__.py` that starts a GPU worker."""


def texts(names: Iterable[str]) -> dict[str, bytes]:
    """Read the files with these `names` (file names in worker/runtime) and return a dict from relative path (the folder
    `worker`, then the name) to content in bytes. Raises FileNotFoundError if a file is missing."""
    return {f"{PACKAGE}/{name}": (runtime.FOLDER / name).read_bytes() for name in names}


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files`, a dict from relative path (at most one folder deep) to content in bytes, into the path `folder`,
    so that every user can read them; return nothing. The sandboxed interpreter, which may run as another user, executes
    them. Raises OSError if a file cannot be written."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_bytes(text)
        path.chmod(0o644)
