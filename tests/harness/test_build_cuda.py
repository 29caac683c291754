"""Builds of CUDA candidates with the real nvcc in the sandbox: facts, details of failures, unreadable files.

Every file of the tasks is built in test_gpu_builds.py.
"""

import ctypes
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness import task as tasks
from harness.compiling import cuda, inspection, nvcc, toolchain
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.sandbox import launcher as sandbox

ROOT = Path(__file__).resolve().parents[2]
TASK = tasks.load(ROOT / "tasks" / "hopper_bf16_matmul")
HEAD = (
    'extern "C" void matmul(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K, '
    "cudaStream_t stream)"
)
NO_OP = f"{HEAD} {{}}\n"


def _toolkit_is_missing() -> str:
    try:
        nvcc.toolkit()
    except toolchain.NoCompiler as error:
        return str(error)
    return ""


needs_nvcc = pytest.mark.skipif(bool(_toolkit_is_missing()), reason=_toolkit_is_missing() or "it is here")


def kernel(body: str, *, bounds: str = "") -> str:
    """Return the text of one kernel and of the entry that launches it."""
    launch = "kernel<<<1, 128, 0, stream>>>((float *)C, M);"
    return f"__global__ void {bounds} kernel(float *x, int n)\n{{\n{body}\n}}\n{HEAD} {{ {launch} }}\n"


@pytest.fixture(scope="module")
def isolation():
    return sandbox.probe()


@pytest.fixture
def build(tmp_path, isolation):
    def build_text(text, *, level=isolation.level, deadline_s=60.0):
        source = tmp_path / "any-name.cu"
        source.write_text(text)
        task = replace(TASK, limits=replace(TASK.limits, build_s=deadline_s))
        return cuda.build_cuda(source, task, context=BuildContext(tmp_path / "cache", isolation.lowered(level)))

    return build_text


@needs_nvcc
@pytest.mark.parametrize("level", list(sandbox.Level))
def test_a_candidate_builds_at_every_level_and_its_entry_is_called_with_everything(build, isolation, level, is_private):
    if level > isolation.level:
        pytest.skip(isolation.why_not_higher)
    if level is sandbox.Level.CONFINED and is_private:
        pytest.skip("level 1 needs a checkout that every user can reach")
    host = "((int *)C)[0] = A && B ? M : 0; ((int *)C)[1] = N; ((int *)C)[2] = K; ((int *)C)[3] = stream != nullptr;"
    built = build(f"{HEAD} {{ {host} }}\n", level=level)
    assert isinstance(built, Built), built
    output = (ctypes.c_int * 4)()
    buffers = (ctypes.c_void_p * 3)(8, 8, ctypes.addressof(output))
    call = ctypes.CDLL(str(built.artifact)).ks_call
    call(buffers, (ctypes.c_int64 * 3)(5, 6, 7), ctypes.c_void_p(1))
    assert list(output) == [5, 6, 7, 1]


@needs_nvcc
def test_tensor_cores_launch_bounds_and_shared_memory_show_in_the_facts(build, isolation):
    body = """    using namespace nvcuda::wmma;
    __shared__ __align__(128) __nv_bfloat16 tile[4096];
    fragment<matrix_a, 16, 16, 16, __nv_bfloat16, row_major> a;
    fragment<matrix_b, 16, 16, 16, __nv_bfloat16, col_major> b;
    fragment<accumulator, 16, 16, 16, float> c;
    fill_fragment(c, 0.0f);
    tile[threadIdx.x] = __float2bfloat16(x[threadIdx.x]);
    __syncthreads();
    load_matrix_sync(a, tile, 64);
    load_matrix_sync(b, tile + 1024, 64);
    mma_sync(c, a, b, c);
    int unused;
    store_matrix_sync(x, c, 16, mem_row_major);"""
    built = build("#include <mma.h>\n" + kernel(body, bounds="__launch_bounds__(768)"))
    with inspection.inspected(built, isolation=isolation) as inspected:
        facts = inspected()
    assert facts.instructions["HMMA"] > 0
    assert facts.shared_bytes == 8192
    assert facts.spill_bytes == 0
    assert facts.occupancy == 48 / 64, "two blocks of 24 warps"
    assert facts.text_bytes > 256
    assert facts.warnings == ('line 15: variable "unused" was declared but never referenced [#177]',)


@needs_nvcc
def test_dynamic_shared_memory_leaves_shared_bytes_and_occupancy_unknown(build):
    body = "    extern __shared__ float {0}[];\n    {0}[threadIdx.x] = x[n];\n    __syncthreads();\n    x[0] = {0}[n];"
    facts = build(kernel(body.format("dynamic"), bounds="__launch_bounds__(384)")).facts
    assert facts.registers
    assert (facts.shared_bytes, facts.occupancy) == (None, None)
    facts = build(f"extern __shared__ float unused[];\n{kernel('    x[0] = n;')}").facts
    assert (facts.shared_bytes, facts.occupancy) == (0, 1.0)


@needs_nvcc
def test_ignored_register_counts_are_the_first_warning(build):
    facts = build(
        kernel('    int unused;\n    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");\n    x[0] = n;')
    ).facts
    assert [warning.split(": ")[0] for warning in facts.warnings] == ["C7508", "line 3"]


@needs_nvcc
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (kernel('    x[0] = 1;\n    asm volatile("frobnicate.b32 x;");'), "candidate.cu(4): error: Not a name of any"),
        (kernel('    asm volatile("tcgen05.fence::before_thread_sync;");'), "not supported on .target 'sm_90a'"),
        (kernel("    __shared__ int big[1 << 16];\n    big[n] = n;\n    x[0] = big[1];"), "'kernel' uses too much"),
        (NO_OP.replace('extern "C" ', "").replace("int K, ", ""), "candidate.cu does not define the entry extern "),
        (NO_OP + 'extern "C" int ks_call() { return 0; }', "multiple definition of `ks_call'"),
        (NO_OP + "int big[1 << 28] = {1};", "larger than a build may write"),
        (NO_OP + "template <int N> struct F { static const int v = F<N + 1>::v; }; int x = F<0>::v;", "excessive"),
        (kernel('    asm volatile(".incbin \\"/etc/passwd\\"");'), "incbin"),
    ],
)  # fmt: skip
def test_a_build_failure_names_the_error_and_the_line(build, text, said):
    failure = build(text)
    assert isinstance(failure, BuildFailure), failure
    assert said in failure.detail
    assert not any(private in failure.detail for private in ("/tmp", "tmpxft", "cudafe1", ".ptx"))


@needs_nvcc
def test_no_library_of_the_toolkit_can_be_assembled_into_a_candidate(build):
    """A vendor's library may lie in the same folder as the runtime."""
    for library in (nvcc.toolkit().runtime, nvcc.toolkit().runtime.resolve()):
        failure = build(f'__asm__(".section .rodata\\n.incbin \\"{library}\\"\\n.previous");\n{NO_OP}')
        assert isinstance(failure, BuildFailure), library
        assert "file not found" in failure.detail


@needs_nvcc
def test_an_endless_template_ends_at_the_deadline(build):
    endless = (
        "template <int N, long M> struct G { using l = typename G<N - 1, 2 * M>::l; using r = typename "
        "G<N - 1, 2 * M + 1>::l; };\ntemplate <long M> struct G<0, M> { using l = int; };\nG<40, 0>::l x;\n"
    )
    failure = build(NO_OP + endless, deadline_s=2.0)
    assert isinstance(failure, BuildFailure)
    assert failure.detail.startswith("deadline: ")
    assert 2.0 <= failure.seconds < 5


@needs_nvcc
def test_a_candidate_is_built_once_and_again_when_its_entry_is_damaged(build):
    first, second = build(NO_OP), build(NO_OP)
    assert (first.cached, second.cached) == (False, True)
    assert (second.artifact, second.facts) == (first.artifact, first.facts)
    first.artifact.write_bytes(first.artifact.read_bytes()[:-1])
    assert not build(NO_OP).cached


@needs_nvcc
def test_a_broken_nvcc_is_a_sandbox_error_not_a_build_failure(build, tmp_path, monkeypatch):
    """nvcc describes itself, but every compilation fails."""
    monkeypatch.setattr(cuda, "FLAGS", ("--no-such-flag",))
    cuda._check_compiler_works.cache_clear()
    with pytest.raises(sandbox.SandboxError, match="nvcc does not work"):
        build(NO_OP)


def test_a_missing_toolkit_is_an_error_that_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("NVCC", str(tmp_path / "absent"))
    with pytest.raises(nvcc.NoToolkit, match="is not a program"):
        nvcc.toolkit.__wrapped__()
    monkeypatch.delenv("NVCC")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", os.path.dirname(os.path.realpath("/bin/sh")) + "-nowhere")
    with pytest.raises(nvcc.NoToolkit, match="install the CUDA toolkit"):
        nvcc.toolkit.__wrapped__()
