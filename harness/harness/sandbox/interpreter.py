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
    """Return the path of the program file of the running Python interpreter, after symbolic links (such as those of a
    virtual environment) are followed. A sandbox must permit this file to be executed.
    """
    return Path(os.path.realpath(sys.executable))


@functools.cache
def listable() -> tuple[Path, ...]:
    """Return a tuple of the folders of Python's standard library. A sandboxed interpreter must be allowed to list their
    entries, because importing a module searches them.
    """
    return tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


@functools.cache
def readable() -> tuple[Path, ...]:
    """Return a tuple of the files and folders that a sandbox must let a Python interpreter read: the standard library
    without the entries named in the constant `SITE` (such as site-packages), and the shared libraries that the
    interpreter and its extension modules load. Raises OSError if a folder of the standard library cannot be listed.
    """
    folders = listable()
    entries = [entry for folder in folders for entry in sorted(folder.iterdir()) if entry.name not in SITE]
    extensions = [module for folder in folders for module in sorted((folder / "lib-dynload").glob("*.so"))]
    linked = {library for program in (executable(), *extensions) for library in libraries.linked(program)}
    return tuple(dict.fromkeys((*entries, *sorted(linked))))
