"""Copies the runtime's files into a private folder, from where the worker's Python interpreter runs them."""

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
    """Read runtime files by name. Return their contents by their path relative to the private folder."""
    return {f"{PACKAGE}/{name}": (runtime.FOLDER / name).read_bytes() for name in names}


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` (contents by relative path) into a folder, readable by every user."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_bytes(text)
        path.chmod(0o644)
