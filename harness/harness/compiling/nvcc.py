"""Find the machine's CUDA toolkit, and the files that a build with it must be able to read."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.compiling import toolchain
from harness.contract import architecture

_SHELL_TOOLS = ("sh", "rm")
"""Programs that nvcc needs because it runs its stages through the shell: system(3) starts /bin/sh."""
_TIMEOUT_S = 30


class NoToolkit(toolchain.NoCompiler):
    """Raised when the machine has no working CUDA toolkit. The message names what is missing and the remedy, such as
    setting the variable NVCC."""


@dataclass(frozen=True, slots=True)
class Toolkit:
    """The CUDA toolkit of this machine: the path and version of nvcc, the program files, header folders and library
    folders that the stages of a build may use, the static CUDA runtime, the two disassemblers (None if missing), the
    host compiler, and the value of PATH. `toolkit` makes it."""

    nvcc: Path
    version: str
    programs: tuple[Path, ...]
    """nvcc and its stages, the host compiler and its stages, the disassembler, and the libraries that these are linked
    with."""
    headers: tuple[Path, ...]
    """Header folders and libdevice. No folder holds a library: a candidate could embed a vendor's library into
    itself."""
    libraries: tuple[Path, ...]
    """Folders that the linker searches, and the static CUDA runtime."""
    runtime: Path
    """Path of libcudart_static.a."""
    cuobjdump: Path | None
    nvdisasm: Path | None
    host: toolchain.Toolchain
    search_path: str


def target(arch: str) -> str:
    """Return nvcc's option that compiles for the GPU architecture `arch` and no other: for `sm_90a`, which is Hopper
    with all its instructions, the option is `-gencode=arch=compute_90a,code=sm_90a`.

    The shorthand -arch=sm_90a would also build for plain sm_90.
    """
    return f"-gencode=arch=compute_{arch.removeprefix('sm_')},code={arch}"


ARCHITECTURE = (target(str(architecture("cuda"))),)
"""nvcc's option for the judge's own kernels. Candidates are built for the architecture of their task instead."""


@functools.cache
def toolkit() -> Toolkit:
    """Return the Toolkit whose nvcc is named by the environment variable NVCC or, without it, is first found on PATH,
    in CUDA_HOME, in CUDA_PATH or in /usr/local/cuda. Raises NoToolkit if none is found or nvcc does not run, NoCompiler
    if the machine has no host compiler."""
    driver = _find()
    dry_run = _output(driver, "--dryrun", "-x", "cu", "-c", os.devnull)
    nvcc_folder = re.search(r"^#\$ _HERE_=(\S+)", dry_run, re.MULTILINE)
    if nvcc_folder is None:
        raise NoToolkit(f"{driver} does not print its own folder; set NVCC to bin/nvcc of a CUDA toolkit")
    folder, root = Path(nvcc_folder[1]), Path(nvcc_folder[1]).parent
    runtime, host = next(_static_runtimes(root)), toolchain.toolchain(toolchain.find_compiler())
    disassemblers = [_tool(folder, name) for name in ("cuobjdump", "nvdisasm")]
    shell = [Path("/bin/sh"), *(Path(path) for path in map(shutil.which, _SHELL_TOOLS) if path)]
    real = [path.resolve() for path in (folder / "nvcc", *filter(None, disassemblers), *shell)]
    tools = [*real, *filter(None, disassemblers), *shell, *folder.glob("*"), *(root / "nvvm" / "bin").glob("*")]
    return Toolkit(
        nvcc=folder / "nvcc",
        version=next(line for line in _output(folder / "nvcc", "--version").splitlines() if "release" in line).strip(),
        programs=(*host.programs, *toolchain.with_libraries([p for p in tools if p.is_file()]), *_folders(tools)),
        headers=(
            *host.headers,
            *_existing((root / "include", *root.glob("targets/*/include"), root / "nvvm/libdevice")),
        ),
        libraries=(*host.libraries, *_existing((runtime,))),
        runtime=runtime,
        cuobjdump=disassemblers[0],
        nvdisasm=disassemblers[1],
        host=host,
        search_path=os.pathsep.join((str(folder), host.search_path, *{str(path.parent) for path in shell})),
    )


def _find() -> Path:
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    named = os.environ.get("NVCC")
    for name in [named] if named else ["nvcc", f"{home}/bin/nvcc"]:
        if path := shutil.which(name):
            return Path(path)
    raise NoToolkit(
        f"NVCC={named} is not a program" if named else
        "no nvcc on PATH or in CUDA_HOME; install the CUDA toolkit 13, or set NVCC to its bin/nvcc"
    )  # fmt: skip


def _static_runtimes(root: Path) -> Iterator[Path]:
    yield from root.glob("lib*/libcudart_static.a")
    yield from root.glob("targets/*/lib/libcudart_static.a")
    raise NoToolkit(f"{root} has no libcudart_static.a; install the toolkit's runtime development files")


def _tool(folder: Path, name: str) -> Path | None:
    """Return the path of the disassembler `name` (cuobjdump or nvdisasm), looked for in the toolkit's `folder`, then on
    PATH, then in Triton's package; None if it is in none of them."""
    spec = importlib.util.find_spec("triton")
    package = (
        [Path(location) / "backends" / "nvidia" / "bin" for location in (spec.submodule_search_locations or ())]
        if spec
        else []
    )
    program = shutil.which(name, path=os.pathsep.join(map(str, (folder, os.environ.get("PATH", ""), *package))))
    return Path(program) if program else None


def _folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.is_dir())


def _existing(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(real for path in paths for real in (path, path.resolve()) if path.exists()))


def _output(*command: Path | str) -> str:
    try:
        done = subprocess.run(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise NoToolkit(f"{command[0]} does not run ({error}); set NVCC to a working toolkit's bin/nvcc") from error
    return done.stdout
