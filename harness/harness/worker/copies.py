"""Copies of the runtime's files for a private folder, which an interpreter then runs as a program."""

from collections.abc import Iterable
from pathlib import Path

from harness.worker import runtime

PACKAGE = "worker"
"""What the files are called where they run: a worker imports `worker.driver`."""
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
GPU_PROGRAM = b"from worker.gpu import main\n\nmain()\n"


def texts(names: Iterable[str]) -> dict[str, bytes]:
    """Return the text of runtime files by the path that they have in a private folder."""
    return {f"{PACKAGE}/{name}": (runtime.FOLDER / name).read_bytes() for name in names}


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    """Write files, by path, below a folder; every user may read them."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_bytes(text)
        path.chmod(0o644)
