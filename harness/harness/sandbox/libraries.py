"""Finds the dynamic loader and the shared libraries of a program, which its sandbox must let it read."""

import functools
import re
import subprocess
from pathlib import Path


@functools.cache
def linked(program: Path) -> tuple[Path, ...]:
    """Return the dynamic loader and shared libraries that `ldd` lists for a program or library.

    Each file is returned both as the path that `ldd` prints and as that path with its links resolved;
    /etc/ld.so.cache is added if it exists. A file that is not dynamically linked has no loader and no libraries.
    """
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=20, check=False)
    names = [Path(word) for word in re.findall(r"(/\S+)", done.stdout)]
    files = {path for name in names for path in (name, name.resolve()) if path.exists()}
    return (*sorted(files), *(p for p in (Path("/etc/ld.so.cache"),) if p.exists()))
