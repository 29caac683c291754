"""The CUDA toolkit of this machine, and the files that a build with it must be able to read."""

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
"""nvcc runs its stages through the shell, which system(3) finds as /bin/sh."""
_TIMEOUT_S = 30


class NoToolkit(toolchain.NoCompiler):
    """There is no working CUDA toolkit; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Toolkit:
    """nvcc with everything that its stages read."""

    nvcc: Path
    version: str
    programs: tuple[Path, ...]
    """nvcc, its stages, the host compiler and its stages, the disassembler, and the libraries those are linked with."""
    headers: tuple[Path, ...]
    """And libdevice; no folder with a library in it, or a candidate could assemble one of a vendor's into itself."""
    libraries: tuple[Path, ...]
    """Folders the linker searches, and the runtime."""
    runtime: Path
    """libcudart_static.a"""
    cuobjdump: Path | None
    nvdisasm: Path | None
    host: toolchain.Toolchain
    search_path: str


def target(arch: str) -> str:
    """Return nvcc's option for an architecture such as `sm_90a`: Hopper with wgmma, TMA and setmaxnreg.

    The shorthand -arch=sm_90a would build a plain sm_90 beside it.
    """
    return f"-gencode=arch=compute_{arch.removeprefix('sm_')},code={arch}"


ARCHITECTURE = (target(str(architecture("cuda"))),)
"""nvcc's option for the judge's own kernels; a candidate is built for its task's architecture."""


@functools.cache
def toolkit() -> Toolkit:
    """The toolkit whose nvcc NVCC names, or that is found on PATH, in CUDA_HOME, or at its usual place.

    Raises:
        NoToolkit: there is none, or it does not run.
        NoCompiler: there is no host compiler.
    """
    driver = _find()
    told = _ask(driver, "--dryrun", "-x", "cu", "-c", os.devnull)
    here = re.search(r"^#\$ _HERE_=(\S+)", told, re.MULTILINE)
    if here is None:
        raise NoToolkit(f"{driver} does not tell where it lies; set NVCC to the toolkit's own bin/nvcc")
    folder, root = Path(here[1]), Path(here[1]).parent
    runtime, host = next(_static_runtimes(root)), toolchain.toolchain(toolchain.find_compiler())
    disassemblers = [_tool(folder, name) for name in ("cuobjdump", "nvdisasm")]
    shell = [Path("/bin/sh"), *(Path(path) for path in map(shutil.which, _SHELL_TOOLS) if path)]
    real = [path.resolve() for path in (folder / "nvcc", *filter(None, disassemblers), *shell)]
    tools = [*real, *filter(None, disassemblers), *shell, *folder.glob("*"), *(root / "nvvm" / "bin").glob("*")]
    return Toolkit(
        nvcc=folder / "nvcc",
        version=next(line for line in _ask(folder / "nvcc", "--version").splitlines() if "release" in line).strip(),
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
    wanted = os.environ.get("NVCC")
    for name in [wanted] if wanted else ["nvcc", f"{home}/bin/nvcc"]:
        if found := shutil.which(name):
            return Path(found)
    raise NoToolkit(
        f"NVCC={wanted} is not a program" if wanted else
        "no nvcc on PATH or in CUDA_HOME; install the CUDA toolkit 13, or set NVCC to its bin/nvcc"
    )  # fmt: skip


def _static_runtimes(root: Path) -> Iterator[Path]:
    yield from root.glob("lib*/libcudart_static.a")
    yield from root.glob("targets/*/lib/libcudart_static.a")
    raise NoToolkit(f"{root} has no libcudart_static.a; install the toolkit's runtime development files")


def _tool(folder: Path, name: str) -> Path | None:
    """In the toolkit, on PATH, or in Triton's package, which brings its own."""
    spec = importlib.util.find_spec("triton")
    package = (
        [Path(place) / "backends" / "nvidia" / "bin" for place in (spec.submodule_search_locations or ())]
        if spec
        else []
    )
    found = shutil.which(name, path=os.pathsep.join(map(str, (folder, os.environ.get("PATH", ""), *package))))
    return Path(found) if found else None


def _folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.is_dir())


def _existing(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(real for path in paths for real in (path, path.resolve()) if path.exists()))


def _ask(*command: Path | str) -> str:
    try:
        done = subprocess.run(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise NoToolkit(f"{command[0]} does not run ({error}); set NVCC to a working toolkit's bin/nvcc") from error
    return done.stdout
