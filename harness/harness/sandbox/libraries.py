"""The loader and the shared libraries that a program needs, which its sandbox must let it read."""

import functools
import re
import subprocess
from pathlib import Path


@functools.cache
def linked(program: Path) -> tuple[Path, ...]:
    """The loader and libraries of a program or library, as real files and as the names they are found by."""
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=20, check=False)
    names = [Path(word) for word in re.findall(r"(/\S+)", done.stdout)]
    found = {path for name in names for path in (name, name.resolve()) if path.exists()}
    return (*sorted(found), *(p for p in (Path("/etc/ld.so.cache"),) if p.exists()))
