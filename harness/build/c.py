"""From a C candidate to a shared object with an entry the worker can call, and the facts that the build tells.

The compiler reads whatever a candidate's text names, so it runs in the sandbox, in three stages that each see only
what they need: compile (headers, no library), link (libraries, none of the candidate's text), disassemble. The cache
is keyed by everything that the result depends on.
"""

import functools
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import sandbox
import wire
from build import diagnostics, disassembly, toolchain
from build.toolchain import Toolchain

FLAGS = (
    "-std=gnu17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fPIC",
    "-fno-semantic-interposition",
    "-Wall",
    "-Wextra",
)
"""Fixed: no flag of a candidate's, and none that changes a result. Without the two negated ones a square root is not
vectorized and a helper function not inlined."""
LINK_FLAGS = ("-shared", "-fno-lto", "-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-Bsymbolic")
"""Every symbol must be found now: a missing entry is a build error. -fno-lto: an object is code, not compiler input."""
LIBRARIES = ("-lm",)
MAX_OUTPUT_BYTES = 16 << 20
MAX_MEMORY_BYTES = 4 << 30
MAX_LISTING_BYTES = 16 << 20
"""Of a disassembly; code longer than that goes without counts."""
MAX_MESSAGES_BYTES = 256 << 10
_ERRORS_SHOWN = 5
_CANDIDATE, _SHIM, _DECLARATION = "candidate", "shim", "declaration.h"


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate that compiled."""

    artifact: Path
    """The shared object, in the cache."""
    facts: wire.Facts
    seconds: float
    """What the build took when it was made."""
    cached: bool


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """A candidate that did not."""

    detail: str
    """The first error with its line, at most 2,000 characters, without control characters or paths of ours."""
    seconds: float


class _Failed(Exception):
    """A stage failed by the candidate's fault; the message is the detail."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """One build: where it happens, with what, and until when."""

    folder: Path
    tools: Toolchain
    isolation: sandbox.Isolation
    cores: tuple[int, ...] | None
    deadline: float
    """On the monotonic clock."""
    deadline_s: float

    def run(self, command: Sequence[str | Path], *, readable: tuple[Path, ...], listing: int | None = None) -> str:
        """One program in the sandbox; what it said on its error stream.

        Raises:
            _Failed: it failed, or the deadline passed.
        """
        with _memory_file() as messages:
            process = sandbox.launch(
                command,
                self._policy(readable),
                isolation=self.isolation,
                folder=self.folder,
                stdout=messages if listing is None else listing,
                stderr=messages,
            )
            try:
                code = process.wait(self.deadline - time.monotonic())
            finally:
                process.kill()
            said = _clean(_content(messages, MAX_MESSAGES_BYTES), folder=self.folder)
        if code is None:
            raise _Failed(f"deadline: the compiler was still running after {self.deadline_s:g} s")
        if code != 0:
            raise _Failed(diagnostics.first_error(said) or f"the compiler {process.describe_end()} without a message")
        return said

    def _policy(self, readable: tuple[Path, ...]) -> sandbox.Policy:
        return sandbox.Policy(
            readable=readable,
            executable=self.tools.programs,
            writable=(self.folder,),
            may_fork=True,
            cores=self.cores,
            memory_bytes=MAX_MEMORY_BYTES,
            file_bytes=MAX_OUTPUT_BYTES,
            environment={"PATH": self.tools.search_path, "TMPDIR": str(self.folder), "LC_ALL": "C"},
        )


def build_c(
    source: Path,
    *,
    shim: str,
    cache: Path,
    isolation: sandbox.Isolation,
    deadline_s: float,
    declaration: str = "",
    cores: tuple[int, ...] | None = None,
) -> Built | BuildFailure:
    """Build a candidate with the shim that defines `ks_call`, or take it from the cache.

    `declaration` is the entry's prototype; where it is given, a candidate that defines the entry with other
    arguments is a compile error.

    Raises:
        NoCompiler: no compiler, or a broken one.
        SandboxError: a guard could not be put up, or the compiler does not work inside the sandbox.
    """
    tools = toolchain.toolchain(toolchain.find_compiler())
    text = source.read_bytes()
    entry = cache / _key(text, shim, declaration, tools=tools)
    if built := _stored(entry):
        return built
    begin = time.monotonic()
    try:
        with sandbox.private_folder(isolation) as folder:
            bench = _Bench(folder, tools, isolation, cores, begin + deadline_s, deadline_s)
            facts = _build(bench, text, shim=shim, declaration=declaration)
            return _store(entry, folder / f"{_CANDIDATE}.so", facts=facts, seconds=time.monotonic() - begin)
    except _Failed as failed:
        _check_compiler_works(tools, isolation)
        return BuildFailure(str(failed), time.monotonic() - begin)


# --- the stages ----------------------------------------------------------------------------------------------------


def _build(bench: _Bench, text: bytes, *, shim: str, declaration: str) -> wire.Facts:
    _place(bench.folder / f"{_CANDIDATE}.c", text)
    _place(bench.folder / f"{_SHIM}.c", shim.encode())
    _place(bench.folder / _DECLARATION, f"{declaration}\n".encode())
    said = _compile(bench)
    said += _link(bench)
    return _facts(bench, diagnostics.warnings(said))


def _compile(bench: _Bench) -> str:
    """Names without a folder, so that messages and __FILE__ say `candidate.c`."""
    sources = (f"{_CANDIDATE}.c", f"{_SHIM}.c")
    limits = (f"-fmax-errors={_ERRORS_SHOWN}",)
    command = (bench.tools.compiler.path, *FLAGS, *limits, "-include", _DECLARATION, "-c", *sources)
    return bench.run(command, readable=bench.tools.headers)


def _link(bench: _Bench) -> str:
    objects = (f"{_CANDIDATE}.o", f"{_SHIM}.o")
    command = (bench.tools.compiler.path, *LINK_FLAGS, "-o", f"{_CANDIDATE}.so", *objects, *LIBRARIES)
    return bench.run(command, readable=(*bench.tools.headers, *bench.tools.libraries))


def _facts(bench: _Bench, warnings: tuple[str, ...]) -> wire.Facts:
    """Facts of the candidate's own object; where the machine has no objdump, or it fails on it, only the warnings."""
    if bench.tools.objdump is None:
        return wire.Facts(warnings=warnings)
    command = (bench.tools.objdump, "-h", "-d", "--no-show-raw-insn", f"{_CANDIDATE}.o")
    with _memory_file() as listing:
        try:
            bench.run(command, readable=bench.tools.headers, listing=listing)
        except _Failed:
            return wire.Facts(warnings=warnings)
        content = _content(listing, MAX_LISTING_BYTES + 1)
    if len(content) > MAX_LISTING_BYTES:
        return wire.Facts(warnings=warnings)
    found = disassembly.read(content.decode("utf-8", "replace").splitlines())
    return wire.Facts(
        text_bytes=found.text_bytes,
        vector_bits=found.vector_bits,
        warnings=warnings,
        instructions=found.instructions,
    )


def _place(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o644)


@contextmanager
def _memory_file() -> Iterator[int]:
    """Where a stage writes, bounded by its policy, without a pipe that could fill."""
    descriptor = os.memfd_create("messages", os.MFD_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int, limit: int) -> bytes:
    return os.pread(descriptor, min(limit, os.fstat(descriptor).st_size), 0)


def _clean(content: bytes, *, folder: Path) -> str:
    return diagnostics.clean(content.decode("utf-8", "replace").replace(f"{folder}/", ""))


@functools.cache
def _check_compiler_works(tools: Toolchain, isolation: sandbox.Isolation) -> None:
    """A build that fails is the candidate's fault only if an empty one succeeds."""
    with sandbox.private_folder(isolation) as folder:
        bench = _Bench(folder, tools, isolation, None, time.monotonic() + 60, 60)
        try:
            _build(bench, b"#include <math.h>\n", shim="void ks_call(void) {}\n", declaration="")
        except _Failed as failed:
            raise sandbox.SandboxError(f"{tools.compiler.path} does not work inside the sandbox: {failed}") from failed


# --- the cache -----------------------------------------------------------------------------------------------------


def _key(text: bytes, shim: str, declaration: str, *, tools: Toolchain) -> str:
    flags = " ".join((*FLAGS, *LINK_FLAGS, *LIBRARIES))
    compiler = f"{tools.compiler.path} {tools.compiler.version} {tools.target}"
    digest = hashlib.sha256()
    for part in (text, *(word.encode() for word in (shim, declaration, flags, compiler))):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _store(entry: Path, output: Path, *, facts: wire.Facts, seconds: float) -> Built:
    """One rename makes an entry complete; of two processes that build the same, the first one's stays."""
    content = _read_output(output)
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".unfinished-"))
    try:
        (unfinished / "candidate.so").write_bytes(content)
        record = {"sha256": hashlib.sha256(content).hexdigest(), "seconds": seconds, "facts": asdict(facts)}
        (unfinished / "built.json").write_text(json.dumps(record), encoding="utf-8")
        with suppress(FileExistsError), _not_empty_is_exists():
            os.rename(unfinished, entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Built(entry / "candidate.so", facts, seconds, cached=False)


@contextmanager
def _not_empty_is_exists() -> Iterator[None]:
    """rename(2) onto a folder with content answers ENOTEMPTY or EEXIST, as the file system likes."""
    try:
        yield
    except OSError as error:
        if error.errno == 39:
            raise FileExistsError(*error.args) from error
        raise


def _read_output(path: Path) -> bytes:
    """The linker's output: a plain file, not a link to somewhere."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _Failed("the linker's output is not a file")
        return file.read(MAX_OUTPUT_BYTES)


def _stored(entry: Path) -> Built | None:
    """A whole entry; one that a full disk or a crash has damaged is removed."""
    if not entry.is_dir():
        return None
    try:
        record = json.loads((entry / "built.json").read_text(encoding="utf-8"))
        content = (entry / "candidate.so").read_bytes()
        if hashlib.sha256(content).hexdigest() != record["sha256"]:
            raise ValueError("the artifact is not what was built")
        facts = wire.Facts(**{**record["facts"], "warnings": tuple(record["facts"]["warnings"])})
        return Built(entry / "candidate.so", facts, float(record["seconds"]), cached=True)
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(entry, ignore_errors=True)
        return None
