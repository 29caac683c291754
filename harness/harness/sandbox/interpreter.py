"""The Python interpreter as a sandboxed program: what it must be able to read, packages of the site left out."""

import functools
import os
import sys
import sysconfig
from pathlib import Path

from harness.sandbox import libraries

SITE = ("site-packages", "dist-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo")
"""Folders of the standard library that a worker is not given."""


def executable() -> Path:
    """The interpreter itself, not a link of a virtual environment to it."""
    return Path(os.path.realpath(sys.executable))


@functools.cache
def listable() -> tuple[Path, ...]:
    """The standard library's folders: an import looks names up in them."""
    return tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


@functools.cache
def readable() -> tuple[Path, ...]:
    """The standard library, entry by entry, and the shared libraries that it is linked with."""
    folders = listable()
    entries = [entry for folder in folders for entry in sorted(folder.iterdir()) if entry.name not in SITE]
    extensions = [module for folder in folders for module in sorted((folder / "lib-dynload").glob("*.so"))]
    linked = {library for program in (executable(), *extensions) for library in libraries.linked(program)}
    return tuple(dict.fromkeys((*entries, *sorted(linked))))
