"""Find the machine's C compiler, and the files that a build with it must be able to read.

Every stage has a list of its own. The stage that compiles a candidate's text can read headers but no library, because
`.incbin` and `#include` embed whatever is readable; the linker can read libraries, but not the candidate's text.
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
    """Raised when the machine has no working C compiler. The message names the reason and the remedy, such as
    installing gcc or setting the variable CC."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler, such as gcc, by its absolute path and the first line that its `--version` prints. `find_compiler`
    makes it."""

    path: Path
    """Absolute path as it was found, links not resolved, because a driver may act on the name it is called by."""
    version: str
    """First line of the output of `--version`."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A C compiler together with what the stages of a build may use: program files to execute, header folders, library
    folders, the value of PATH, the path of objdump or None, and the options that -march=native stands for on this
    processor (`target`). The function `toolchain` makes it."""

    compiler: Compiler
    programs: tuple[Path, ...]
    """Compiler drivers, their stages, and the libraries that these are linked with."""
    headers: tuple[Path, ...]
    libraries: tuple[Path, ...]
    """Folders that the linker searches."""
    search_path: str
    """PATH for the driver, which finds the assembler and the linker through it."""
    objdump: Path | None
    target: str
    """The compiler's own command line for -march=native, which names the options that it stands for on this
    processor."""


def find_compiler() -> Compiler:
    """Return the Compiler that the environment variable CC names or, without it, the first of cc, gcc and clang on
    PATH. Raises NoCompiler if none is found or it does not run."""
    named = os.environ.get("CC")
    program = next(filter(None, map(shutil.which, [named] if named else _NAMES)), None)
    if program is None:
        reason = f"CC={named} is not a program on PATH" if named else "no C compiler on PATH"
        raise NoCompiler(f"{reason}; install gcc (Debian: apt install gcc libc6-dev) or set CC to a compiler's path")
    return _describe(Path(program).absolute())


@functools.cache
def _describe(path: Path) -> Compiler:
    try:
        version = _output([path, "--version"]).splitlines()[0]
    except (OSError, IndexError, subprocess.SubprocessError) as error:
        raise NoCompiler(
            f"{path} does not run ({error}); install gcc or set CC to a working compiler's path"
        ) from error
    return Compiler(path, version)


@functools.cache
def toolchain(compiler: Compiler) -> Toolchain:
    """Ask `compiler` (with options such as -v) for its stages, header folders and library folders, and return them as
    its Toolchain. Raises NoCompiler if the compiler cannot preprocess an empty file. The result is remembered until the
    process ends."""
    try:
        verbose = _output([compiler.path, "-march=native", "-E", "-v", "-x", "c", os.devnull])
        search = _output([compiler.path, "-print-search-dirs"])
    except subprocess.SubprocessError as error:
        raise NoCompiler(f"{compiler.path} cannot preprocess an empty file; reinstall it, or set CC") from error
    tools = [path for name in _TOOLS if (path := _tool(compiler, name))]
    objdump = shutil.which("objdump")
    driver = compiler.path
    programs = with_libraries(
        [driver, *_wrapped_programs(driver, verbose), *tools, *([Path(objdump)] if objdump else [])]
    )
    folders = dict.fromkeys(str(path.parent) for path in (*tools, driver))
    return Toolchain(
        compiler=compiler,
        programs=programs,
        headers=(*_header_folders(verbose), *_system_files()),
        libraries=_existing(re.findall(r"[^:=\n]+", search.partition("libraries:")[2])),
        search_path=os.pathsep.join(folders),
        objdump=Path(objdump) if objdump else None,
        target=next((line.strip() for line in verbose.splitlines() if "cc1 " in line), verbose),
    )


def _wrapped_programs(driver: Path, verbose: str) -> tuple[Path, ...]:
    """Return a tuple of the programs that `driver`, a compiler that is a script, starts: the interpreter in its first
    line and the compiler that it calls, found in `verbose`, the compiler's output with -v. Return an empty tuple if
    `driver` is no script."""
    with driver.open("rb") as file:
        first = file.readline(_LONGEST_SHEBANG)
    if not first.startswith(b"#!"):
        return ()
    words = first[2:].decode("utf-8", "replace").split()
    called = re.findall(r"^COLLECT_GCC=(\S+)$", verbose, re.MULTILINE)
    return _existing(filter(None, map(shutil.which, (*words, *called))))


def _tool(compiler: Compiler, name: str) -> Path | None:
    """Return the path of the program that `compiler` runs for the stage `name`, such as cc1 or ld; None if it has no
    such stage. The compiler itself is asked, with the option -print-prog-name."""
    answer = _output([compiler.path, f"-print-prog-name={name}"]).strip()
    path = answer if os.path.isabs(answer) else shutil.which(answer)
    return Path(path) if path and Path(path).exists() else None


def with_libraries(programs: Sequence[Path]) -> tuple[Path, ...]:
    """Return a tuple of the given paths of programs, followed by the paths of the dynamic loader and the shared
    libraries that `ldd` lists for them, because a sandbox must permit all of these. Paths that do not exist are left
    out."""
    linked = "\n".join(_output(["ldd", path], must_work=False) for path in programs)
    names = [*programs, *map(Path, re.findall(r"(?<=\s)(/\S+)", linked))]
    return _existing(map(str, names))


def _header_folders(verbose: str) -> tuple[Path, ...]:
    listed = verbose.partition("search starts here:")[2].partition("End of search list")[0]
    return _existing(line.strip() for line in listed.splitlines() if line.startswith(" /"))


def _system_files() -> tuple[Path, ...]:
    """Return a tuple of the paths of system files that every compiler reads, such as /dev/null and the loader's cache;
    on processors other than x86 also /proc/cpuinfo, which -march=native needs."""
    cpuinfo = () if platform.machine() == "x86_64" else ("/proc/cpuinfo",)
    return _existing((*_DEVICES, *cpuinfo, "/etc/ld.so.cache"))


def _existing(names: Iterable[str]) -> tuple[Path, ...]:
    paths = dict.fromkeys(Path(os.path.normpath(name)) for name in names)
    return tuple(path for path in paths if path.exists())


def _output(command: Sequence[str | Path], *, must_work: bool = True) -> str:
    """Run a trusted program and return its standard output and standard error together as one string. If `must_work` is
    true, raises SubprocessError if it exits with another code than 0. Always raises SubprocessError after 30 s, OSError
    if it cannot be started."""
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
