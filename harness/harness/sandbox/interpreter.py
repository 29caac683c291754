"""Lists the files that the Python interpreter must be able to read when it runs in the sandbox.

Installed packages (site-packages, dist-packages) are not among them.
"""

import functools
import os
import sys
import sysconfig
from pathlib import Path

from harness.sandbox import libraries

SITE = ("site-packages", "dist-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo")
"""Names of entries of the standard library's folders that a sandboxed interpreter may not read."""


def executable() -> Path:
    """Return the real path of the running interpreter, with the links of a virtual environment resolved."""
    return Path(os.path.realpath(sys.executable))


@functools.cache
def listable() -> tuple[Path, ...]:
    """Return the folders of the standard library, which an import must be able to list."""
    return tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


@functools.cache
def readable() -> tuple[Path, ...]:
    """Return the paths that a sandboxed interpreter may read.

    They are the entries of the standard library's folders, except those named in `SITE`, and the shared libraries that
    the interpreter and its extension modules are linked with.
    """
    folders = listable()
    entries = [entry for folder in folders for entry in sorted(folder.iterdir()) if entry.name not in SITE]
    extensions = [module for folder in folders for module in sorted((folder / "lib-dynload").glob("*.so"))]
    linked = {library for program in (executable(), *extensions) for library in libraries.linked(program)}
    return tuple(dict.fromkeys((*entries, *sorted(linked))))
