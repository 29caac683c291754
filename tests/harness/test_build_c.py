"""Building C candidates with the real compiler, in the sandbox: what comes out, what it says, what it cannot reach."""

import ctypes
import os
import shutil
from pathlib import Path

import pytest

from harness.compiling import c, disassembly, toolchain
from harness.compiling.build_runner import BuildContext
from harness.compiling.c import BuildFailure, Built
from harness.sandbox import launcher as sandbox

DECLARATION = "void scale(const float *X, float *Y, int N);"
SHIM = f"""#include <stdint.h>
{DECLARATION}
void ks_call(void *const *buffers, const int64_t *sizes)
{{
    scale(buffers[0], buffers[1], (int)sizes[0]);
}}
"""
HONEST = """#include <math.h>
void scale(const float *X, float *Y, int N)
{
    for (int i = 0; i < N; i++)
        Y[i] = 2.0f * X[i] + sqrtf(X[i]);
}
"""


@pytest.fixture(scope="module")
def isolation():
    return sandbox.probe()


@pytest.fixture
def build(tmp_path, isolation):
    def build_text(text, *, level=isolation.level, cache="cache", deadline_s=30.0, declaration=DECLARATION):
        source = tmp_path / "any-name.c"
        source.write_bytes(text.encode() if isinstance(text, str) else text)
        lowered = isolation.lowered(level)
        context = BuildContext(tmp_path / cache, lowered)
        return c.build_c(source, c.Interface(SHIM, declaration), context=context, deadline_s=deadline_s)

    return build_text


@pytest.mark.parametrize("level", list(sandbox.Level))
def test_an_honest_candidate_builds_at_every_level_and_computes(build, isolation, level):
    if level > isolation.level:
        pytest.skip(isolation.why_not_higher)
    built = build(HONEST, level=level)
    assert isinstance(built, Built), built
    x, y = (ctypes.c_float * 3)(1, 4, 9), (ctypes.c_float * 3)()
    buffers = (ctypes.c_void_p * 2)(ctypes.addressof(x), ctypes.addressof(y))
    ctypes.CDLL(str(built.artifact)).ks_call(buffers, (ctypes.c_int64 * 1)(3))
    assert list(y) == [3, 10, 21]


def test_facts_hold_code_size_vector_width_and_instructions(build):
    facts = build(HONEST).facts
    assert facts.text_bytes > 50
    assert facts.vector_bits >= 128
    assert facts.instructions["vector_load"] > 0
    assert facts.instructions["vector_store"] > 0
    assert facts.warnings == ()


def test_without_objdump_the_build_goes_on_without_facts(build, tmp_path, monkeypatch):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cc", "as", "ld", "ldd"):
        (tools / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("CC", "cc")
    facts = build(HONEST).facts
    assert (facts.text_bytes, facts.vector_bits, facts.instructions) == (None, None, {})


def test_a_compiler_behind_a_wrapper_script_builds_in_the_sandbox(build, tmp_path, monkeypatch):
    wrapper = tmp_path / "my-cc"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("cc")} -DWRAPPED "$@"\n')
    wrapper.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("CC", str(wrapper))
    assert isinstance(build("#ifndef WRAPPED\n#error not wrapped\n#endif\n" + HONEST), Built)


def test_a_warning_is_reported_with_its_line(build):
    built = build(HONEST + "static int unused(void) { return 1; }\n")
    assert built.facts.warnings == ("line 7: 'unused' defined but not used [-Wunused-function]",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int x = ;", ["candidate.c:1:9: error: expected expression", "int x = ;", "^"]),
        ("void other(void) {}", ["undefined reference to `scale'"]),
        (HONEST + "void ks_call(void) {}", ["multiple definition of `ks_call'"]),
        (HONEST + "void sgemm_(void); void f(void) { sgemm_(); }", ["undefined reference to `sgemm_'"]),
        ("void scale(double *X) { X[0] = 1; }", ["conflicting types for 'scale'", "const float *"]),
        ('__asm__("frobnicate %eax");\n' + HONEST, ["no such instruction", "frobnicate"]),
        ("#include <cblas_of_nobody.h>\n", ["cblas_of_nobody.h: No such file"]),
        ("#include __FILE__\n", ["nested"]),
        ("static char big[1 << 28] = {1}; void *keep = big;\n" + HONEST, ["larger than a build may write"]),
        (b"", ["undefined reference to `scale'"]),
        (bytes(range(1, 256)) * 4, ["error: "]),
        (b"\x1b[31mred\xe2\x80\xae;", ["error: "]),
    ],
)
def test_a_candidate_that_does_not_build_gets_the_first_error(build, text, said):
    failure = build(text)
    assert isinstance(failure, BuildFailure)
    for words in said:
        assert words in failure.detail
    assert len(failure.detail) <= 2000
    assert all(char.isprintable() or char in "\n\t" for char in failure.detail)
    assert "/tmp" not in failure.detail


def test_a_flood_of_errors_is_bounded(build):
    failure = build("#define A(x) x x x x x x x x\n" + "int f(void) { return A(A(A(A(unknown +)))); }\n" * 50)
    assert isinstance(failure, BuildFailure)
    assert len(failure.detail) <= 2000


INCLUDE = '#include "{}"\n'
INCBIN = '__asm__(".pushsection .rodata\\nstolen: .incbin \\"{}\\"\\n.popsection");\n'
HAS_INCLUDE = "#if __has_include(<{}>)\n#include <{}>\n#endif\n"


@pytest.mark.parametrize(
    ("level", "theft"),
    [
        (sandbox.Level.NAMESPACED, INCBIN),
        (sandbox.Level.FULL, INCLUDE),
        (sandbox.Level.FULL, INCBIN),
        (sandbox.Level.FULL, HAS_INCLUDE),
    ],
)
def test_the_compiler_cannot_read_files_of_the_judge(build, isolation, tmp_path, level, theft):
    if level > isolation.level:
        pytest.skip(isolation.why_not_higher)
    places = ["/etc/passwd", __file__, f"/proc/{os.getpid()}/environ"]
    for place in (*places, _static_library()):
        result = build(theft.replace("{}", str(place)) + HONEST, level=level)
        content = Path(place).read_bytes()[:400]
        if isinstance(result, Built):
            assert content not in result.artifact.read_bytes(), place
            assert "__has_include" in theft, place
        else:
            assert content.decode("latin-1")[:20] not in result.detail, place


def _static_library() -> Path:
    """A library that the linker may read and the compiler may not."""
    folders = toolchain.toolchain(toolchain.find_compiler()).libraries
    return next(path for folder in folders for path in sorted(folder.glob("lib*.so*")) if path.is_file())


def test_an_endless_compile_ends_at_the_deadline(build):
    endless = "#define A(x) x x x x x x x x x x\n#define B(x) A(A(A(A(A(x)))))\nint q(void) { return 0 B(B(+1)); }\n"
    failure = build(endless, deadline_s=1.0)
    assert isinstance(failure, BuildFailure)
    assert failure.detail.startswith("deadline: ")
    assert 1.0 <= failure.seconds < 4


def test_the_same_candidate_is_built_once(build):
    first, second = build(HONEST), build(HONEST)
    assert (first.cached, second.cached) == (False, True)
    assert (second.artifact, second.facts, second.seconds) == (first.artifact, first.facts, first.seconds)


def test_the_key_of_the_cache_holds_source_and_declaration(build):
    artifacts = {build(HONEST).artifact, build(HONEST + "\n").artifact, build(HONEST, declaration="").artifact}
    assert len(artifacts) == 3


def test_a_damaged_entry_of_the_cache_is_built_again(build):
    artifact = build(HONEST).artifact
    artifact.write_bytes(artifact.read_bytes()[:-1])
    assert not build(HONEST).cached
    assert build(HONEST).cached


def test_processes_that_build_the_same_candidate_all_get_the_build(tmp_path, isolation):
    source = tmp_path / "candidate.c"
    source.write_text(HONEST)
    found = []

    def run() -> None:
        child = os.fork()
        if child == 0:
            context = BuildContext(tmp_path / "cache", isolation)
            built = c.build_c(source, c.Interface(SHIM), context=context, deadline_s=30)
            os._exit(0 if isinstance(built, Built) and built.artifact.exists() else 1)
        found.append(child)

    for _ in range(3):
        run()
    assert [os.waitpid(child, 0)[1] for child in found] == [0, 0, 0]
    entries = list(BuildContext(tmp_path / "cache", isolation).candidates.iterdir())
    assert len(entries) == 1, "no unfinished entry stays"


def test_a_missing_compiler_is_an_error_that_names_the_remedy(build, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", str(tmp_path / "absent"))
    with pytest.raises(toolchain.NoCompiler, match="install gcc"):
        build(HONEST)
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(toolchain.NoCompiler, match="no C compiler on PATH"):
        build(HONEST)


def test_a_broken_compiler_is_a_sandbox_error_not_a_build_failure(build, tmp_path, monkeypatch):
    """The compiler describes itself, but it cannot compile."""
    broken = tmp_path / "broken-cc"
    broken.write_text(f'#!/bin/sh\ncase "$*" in *-c*) exit 1;; esac\nexec {shutil.which("cc")} "$@"\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(sandbox.SandboxError):
        build(HONEST)


def test_a_listing_of_arm_code_is_read_too():
    listing = [
        "  0 .text  00000040  0000000000000000  0000000000000000  00000040  2**4",
        "                  CONTENTS, ALLOC, LOAD, READONLY, CODE",
        "   0:\tldr\tq0, [x1, #16]",
        "   4:\tfmla\tv0.4s, v1.4s, v2.s[0]",
        "   8:\tstr\tq0, [sp, #32]",
        "   c:\tfmadd\ts0, s1, s2, s3",
    ]
    reading = disassembly.read(listing)
    assert (reading.text_bytes, reading.vector_bits) == (64, 128)
    assert reading.instructions == {"fma": 2, "spill_store": 1, "vector_load": 1}


def test_spills_are_distinguished_from_loads_and_memory_operands_count_as_loads():
    listing = [
        "  10:\tvmovaps %ymm0,0x20(%rsp)",
        "  14:\tvmovups 0x40(%rsp),%ymm1",
        "  18:\tvmovups (%rdi,%rax,4),%ymm2",
        "  1c:\tvfmadd231ps (%rsi),%ymm2,%ymm3",
        "  20:\tvmovaps %zmm1,%zmm2",
        "  24:\tvaddss %xmm1,%xmm2,%xmm3",
    ]
    reading = disassembly.read(listing)
    assert reading.instructions == {"fma": 1, "spill_load": 1, "spill_store": 1, "vector_load": 2}
    assert reading.vector_bits == 256
