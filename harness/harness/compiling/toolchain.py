"""The C compiler of this machine, and the files that a build with it must be able to read.

Each stage of a build gets its own list: what compiles a candidate's text sees headers and no library, for `.incbin`
and `#include` read whatever can be read; what links sees libraries, but no text of the candidate's.
"""

import functools
import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MachineError

_NAMES = ("cc", "gcc", "clang")
_TOOLS = ("cc1", "cc1plus", "collect2", "as", "ld")
_DEVICES = ("/dev/null", "/dev/urandom")
_TIMEOUT_S = 30
_LONGEST_SHEBANG = 256


class NoCompiler(MachineError):
    """There is no working C compiler; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler driver."""

    path: Path
    """Absolute, as it was found: a driver may look at the name it is called by."""
    version: str
    """The first line of `--version`."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler with everything that its stages read."""

    compiler: Compiler
    programs: tuple[Path, ...]
    """Drivers, their stages, and the libraries those are linked with."""
    headers: tuple[Path, ...]
    libraries: tuple[Path, ...]
    """Folders the linker searches."""
    search_path: str
    """PATH for the driver, which finds assembler and linker by it."""
    objdump: Path | None
    target: str
    """What -march=native stands for on this processor, in the compiler's words."""


def find_compiler() -> Compiler:
    """The program that CC names, else the first of cc, gcc and clang on PATH.

    Raises:
        NoCompiler: none, or it does not run.
    """
    wanted = os.environ.get("CC")
    found = next(filter(None, map(shutil.which, [wanted] if wanted else _NAMES)), None)
    if found is None:
        what = f"CC={wanted} is not a program on PATH" if wanted else "no C compiler on PATH"
        raise NoCompiler(f"{what}; install gcc (Debian: apt install gcc libc6-dev) or set CC to a compiler's path")
    return _describe(Path(found).absolute())


@functools.cache
def _describe(path: Path) -> Compiler:
    try:
        version = _ask([path, "--version"]).splitlines()[0]
    except (OSError, IndexError, subprocess.SubprocessError) as error:
        raise NoCompiler(
            f"{path} does not run ({error}); install gcc or set CC to a working compiler's path"
        ) from error
    return Compiler(path, version)


@functools.cache
def toolchain(compiler: Compiler) -> Toolchain:
    """Ask the compiler what it consists of.

    Raises:
        NoCompiler: it cannot preprocess an empty file: its own stages are missing.
    """
    try:
        told = _ask([compiler.path, "-march=native", "-E", "-v", "-x", "c", os.devnull])
        search = _ask([compiler.path, "-print-search-dirs"])
    except subprocess.SubprocessError as error:
        raise NoCompiler(f"{compiler.path} cannot preprocess an empty file; reinstall it, or set CC") from error
    tools = [path for name in _TOOLS if (path := _tool(compiler, name))]
    objdump = shutil.which("objdump")
    driver = compiler.path
    programs = with_libraries([driver, *_behind(driver, told), *tools, *([Path(objdump)] if objdump else [])])
    folders = dict.fromkeys(str(path.parent) for path in (*tools, driver))
    return Toolchain(
        compiler=compiler,
        programs=programs,
        headers=(*_header_folders(told), *_system_files()),
        libraries=_existing(re.findall(r"[^:=\n]+", search.partition("libraries:")[2])),
        search_path=os.pathsep.join(folders),
        objdump=Path(objdump) if objdump else None,
        target=next((line.strip() for line in told.splitlines() if "cc1 " in line), told),
    )


def _behind(driver: Path, told: str) -> tuple[Path, ...]:
    """What a wrapper script starts: the interpreter that its first line names, and the compiler it calls in turn."""
    with driver.open("rb") as file:
        first = file.readline(_LONGEST_SHEBANG)
    if not first.startswith(b"#!"):
        return ()
    words = first[2:].decode("utf-8", "replace").split()
    called = re.findall(r"^COLLECT_GCC=(\S+)$", told, re.MULTILINE)
    return _existing(filter(None, map(shutil.which, (*words, *called))))


def _tool(compiler: Compiler, name: str) -> Path | None:
    """A stage of the compiler: an absolute path, or a name to be found on PATH; None where it has no such stage."""
    said = _ask([compiler.path, f"-print-prog-name={name}"]).strip()
    found = said if os.path.isabs(said) else shutil.which(said)
    return Path(found) if found and Path(found).exists() else None


def with_libraries(programs: Sequence[Path]) -> tuple[Path, ...]:
    """Programs, and the loader and libraries each is linked with, under the names they are found by."""
    linked = "\n".join(_ask(["ldd", path], must_work=False) for path in programs)
    names = [*programs, *map(Path, re.findall(r"(?<=\s)(/\S+)", linked))]
    return _existing(map(str, names))


def _header_folders(told: str) -> tuple[Path, ...]:
    listed = told.partition("search starts here:")[2].partition("End of search list")[0]
    return _existing(line.strip() for line in listed.splitlines() if line.startswith(" /"))


def _system_files() -> tuple[Path, ...]:
    """-march=native asks the processor itself on x86, and this file elsewhere."""
    cpuinfo = () if platform.machine() == "x86_64" else ("/proc/cpuinfo",)
    return _existing((*_DEVICES, *cpuinfo, "/etc/ld.so.cache"))


def _existing(names: Iterable[str]) -> tuple[Path, ...]:
    paths = dict.fromkeys(Path(os.path.normpath(name)) for name in names)
    return tuple(path for path in paths if path.exists())


def _ask(command: Sequence[str | Path], *, must_work: bool = True) -> str:
    """What a trusted program says about itself, on both streams."""
    done = subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        timeout=_TIMEOUT_S,
        check=False,
    )
    if must_work and done.returncode != 0:
        raise subprocess.SubprocessError(f"{shlex.join(map(str, command))} exited with {done.returncode}")
    return done.stdout
