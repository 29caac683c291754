"""Finds the dynamic loader and the shared libraries of a program, which its sandbox must let it read."""

import functools
import re
import subprocess
from pathlib import Path


@functools.cache
def linked(program: Path) -> tuple[Path, ...]:
    """Return a tuple with the paths of the dynamic loader and the shared libraries that the command `ldd` lists for the
    program or library at the path `program`. It holds no libraries if the file is not dynamically linked. Raises
    OSError if `ldd` is missing, subprocess.TimeoutExpired if it takes more than 20 s.

    Each file is returned both as the path that `ldd` prints and as that path with its links resolved; /etc/ld.so.cache
    is added if it exists.
    """
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=20, check=False)
    names = [Path(word) for word in re.findall(r"(/\S+)", done.stdout)]
    files = {path for name in names for path in (name, name.resolve()) if path.exists()}
    return (*sorted(files), *(p for p in (Path("/etc/ld.so.cache"),) if p.exists()))
