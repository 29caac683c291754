"""Builds of GPU candidates on a machine without a GPU: artifacts, facts, and the detail of every build failure."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness import task as tasks
from harness.compiling import gpu, inspection, nvcc, sass, signature, toolchain, triton, trusted
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.sandbox import launcher as sandbox
from harness.wire import messages as wire
from kernelsmith.core.task_folder import load_task
from kernelsmith.propose.knobs import read_family

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MEMORY = ROOT / "harness" / "harness" / "memory"
BF16, FP8 = (tasks.load(ROOT / "tasks" / name) for name in ("hopper_bf16_matmul", "hopper_fp8_matmul"))
HEAD = "const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K, cudaStream_t stream"


def has_nvcc() -> bool:
    try:
        nvcc.toolkit()
    except toolchain.NoCompiler:
        return False
    return True


needs_nvcc = pytest.mark.skipif(not has_nvcc(), reason="no CUDA toolkit: CUDA C++ is not built here")


@pytest.fixture(scope="module")
def isolation() -> sandbox.Isolation:
    return sandbox.probe()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def built(source: Path, *, of: tasks.Task, cache: Path, isolation: sandbox.Isolation) -> Built | BuildFailure:
    language = gpu.TRITON if source.suffix == ".py" else "cuda"
    task = replace(of, limits=replace(of.limits, build_s=120))
    return gpu.build(source, task, language=language, context=BuildContext(cache, isolation))


def facts_of(found: Built | BuildFailure, isolation: sandbox.Isolation) -> wire.Facts:
    assert isinstance(found, Built), found
    with inspection.inspected(found, isolation=isolation) as facts:
        return facts()


def files(pattern: str) -> list[Path]:
    return sorted(ROOT.glob(f"tasks/hopper_*/{pattern}"))


@needs_nvcc
def test_the_judges_own_kernels_compile_and_are_found_again(tmp_path: Path) -> None:
    source = MEMORY / "kernels.cu"
    found = trusted.cubin(source, cache=tmp_path)
    code = found.read_bytes()
    assert all(
        name.encode() in code for name in ("rows_bfloat16", "columns_float8_e4m3fn", "compare_float32", "residual")
    )
    before = found.stat().st_mtime_ns
    assert trusted.cubin(source, cache=tmp_path) == found
    assert found.stat().st_mtime_ns == before


def test_launch_constants_equal_those_of_kernels_cu() -> None:
    folder = MEMORY
    launched = dict(re.findall(r"^(\w+(?:, \w+)*) = (\d+(?:, \d+)*)$", (folder / "kernels.py").read_text(), re.M))
    numbers = {
        name: int(value)
        for names, values in launched.items()
        for name, value in zip(names.split(", "), values.split(", "), strict=True)
    }
    written = dict(re.findall(r"constexpr int (\w+) = (\d+);", (folder / "kernels.cu").read_text()))
    assert numbers["SLAB"] == int(written["SLAB"])
    assert numbers["COLUMN_PACK"] == int(written["COLUMN_PACK"])
    assert numbers["ROWS_IN_A_BLOCK"] == int(written["ROWS"]) * numbers["THREADS"] // numbers["WARP"]


SAMPLE = {
    "hopper_fp8_matmul/families/1_pointers.py", "hopper_rmsnorm/families/2_vector.py",
    "hopper_bf16_matmul/families/2_wgmma.cu", "hopper_bf16_matmul/skeleton.cu", "hopper_fp8_matmul/vendor.cu",
    "hopper_bf16_matmul",
}  # fmt: skip
"""Files that every run of the suite builds; the others take minutes and are built in the soak only."""


def sampled(*names: str) -> list[object]:
    """Return test parameters; those that are not in SAMPLE carry the mark of the soak."""
    return [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.soak, id=name) for name in names]


def places(paths: list[Path]) -> list[object]:
    return sampled(*(path.relative_to(ROOT / "tasks").as_posix() for path in paths))


TRITON = places(files("families/*.py"))
CUDA = places([*files("families/*.cu"), *files("vendor.cu"), *files("skeleton.cu")])


@pytest.mark.parametrize("place", TRITON)
def test_every_triton_family_compiles_ahead_of_time(place, cache, isolation):
    source = ROOT / "tasks" / place
    found = built(source, of=tasks.load(source.parent.parent), cache=cache, isolation=isolation)
    facts = facts_of(found, isolation)
    assert facts.registers
    assert facts.spill_bytes == 0
    again = built(source, of=tasks.load(source.parent.parent), cache=cache, isolation=isolation)
    assert (again.cached, again.is_inspected, again.facts) == (True, True, facts)
    assert {"candidate.py", "signature.json", "cache"} == {path.name for path in found.artifact.iterdir()}


def test_a_triton_kernel_is_compiled_for_the_tasks_architecture(cache, isolation):
    """The worker compiles nothing; the build stores the capability, by which the worker finds kernels in the cache."""
    source = FP8.folder / "families" / "1_pointers.py"
    for arch, capability in (("sm_90a", 90), ("sm_100a", 100)):
        found = built(source, of=replace(FP8, arch=arch), cache=cache, isolation=isolation)
        assert isinstance(found, Built), found
        records = [json.loads(path.read_bytes()) for path in (found.artifact / "cache").glob("*/product.json")]
        assert {record["target"]["arch"] for record in records} == {capability}
        assert json.loads((found.artifact / "signature.json").read_bytes())["capability"] == capability


@needs_nvcc
@pytest.mark.parametrize("place", CUDA)
def test_every_cuda_file_of_a_task_compiles(place, cache, isolation):
    source = ROOT / "tasks" / place
    folder = source.parent.parent if source.parent.name == "families" else source.parent
    found = built(source, of=tasks.load(folder), cache=cache, isolation=isolation)
    assert isinstance(found, Built), found
    assert not found.facts.spill_bytes
    assert not any(warning.startswith(("C7510", "C7520")) for warning in found.facts.warnings)


@pytest.mark.parametrize("name", sampled("hopper_bf16_matmul", "hopper_fp8_matmul", "hopper_rmsnorm"))
def test_the_trusted_candidates_build_in_every_language_of_a_task(name, cache, isolation, tmp_path):
    task = tasks.load(ROOT / "tasks" / name)
    trusted = (
        (signature.triton_standard(task, seconds=0.001), ".py"),
        (signature.cuda_standard(task, seconds=0.001), ".cu"),
        (signature.cuda_copy(task), ".cu"),
    )
    for text, suffix in trusted:
        if suffix == ".cu" and not has_nvcc():
            continue
        source = tmp_path / f"trusted{suffix}"
        source.write_text(text)
        assert isinstance(built(source, of=task, cache=cache, isolation=isolation), Built)


def test_the_fp8_skeleton_does_not_run_and_its_repaired_form_is_the_first_family(cache, isolation):
    task = load_task(FP8.folder)
    assert isinstance(built(FP8.folder / "skeleton.py", of=FP8, cache=cache, isolation=isolation), BuildFailure)
    family = read_family(task.families[0])
    lines = task.skeleton.source.splitlines()
    assert all(f"{name} = {family.defaults[name]}" in lines for name in ("BLOCK_M", "BLOCK_N", "BLOCK_K"))


def test_fp8_tensor_cores_show_in_the_machine_code(cache, isolation):
    found = built(FP8.folder / "families" / "3_persistent.py", of=FP8, cache=cache, isolation=isolation)
    facts = facts_of(found, isolation)
    assert {"QGMMA", "UTMALDG", "UTMASTG"} <= set(facts.instructions)
    assert facts.occupancy == 8 / 64


@needs_nvcc
def test_a_spill_and_wgmma_show_in_the_facts(cache, isolation, tmp_path):
    specialised = built(BF16.folder / "families" / "4_clusters.cu", of=BF16, cache=cache, isolation=isolation)
    assert {"HGMMA", "UTMALDG"} <= set(facts_of(specialised, isolation).instructions)
    source = tmp_path / "spill.cu"
    source.write_text(
        "__global__ void __launch_bounds__(1024, 2) kernel(float *x) { float v[64];\n"
        "#pragma unroll\n for (int i = 0; i < 64; i++) v[i] = x[i * 1024 + threadIdx.x]; __syncthreads();\n"
        "#pragma unroll\n for (int i = 0; i < 64; i++) x[i * 1024 + threadIdx.x] = v[63 - i] * v[(i * 7) % 64]; }\n"
        f'extern "C" void matmul({HEAD}) {{ kernel<<<1, 1024, 0, stream>>>((float *)C); }}\n'
    )
    spilled = built(source, of=BF16, cache=cache, isolation=isolation)
    facts = facts_of(spilled, isolation)
    assert facts.spill_bytes
    assert facts.instructions["STL"] > 0


CUDA_FAULTS = {
    "a syntax error": (f'extern "C" void matmul({HEAD}) {{ foo(; }}', "candidate.cu(1)"),
    "no entry": ("void other() {}", "matmul"),
    "another prototype": ('extern "C" void matmul(float *A, cudaStream_t stream) {}', "matmul"),
    "an unknown instruction": (
        '__global__ void k() { asm volatile("foo.bar r0;"); }\n'
        f'extern "C" void matmul({HEAD}) {{ k<<<1, 1, 0, stream>>>(); }}',
        "foo",
    ),
    "a static assertion": (f'static_assert(1 == 2, "tiles");\nextern "C" void matmul({HEAD}) {{}}', "tiles"),
    "a file of the machine": ('#include "/etc/passwd"', "Permission denied"),
    "assembled file content": (
        f'asm(".section .rodata\\n.incbin \\"/etc/passwd\\"\\n.previous");\nextern "C" void matmul({HEAD}) {{}}',
        "passwd",
    ),
    "a vendor library": (
        f'extern "C" int cublasLtCreate(void **);\nextern "C" void matmul({HEAD}) {{ void *h; cublasLtCreate(&h); }}',
        "cublasLtCreate",
    ),
    "too much shared memory": (
        "__global__ void k(float *x) { __shared__ float big[100000]; big[threadIdx.x] = x[0]; x[1] = big[5]; }\n"
        f'extern "C" void matmul({HEAD}) {{ k<<<1, 1, 0, stream>>>((float *)C); }}',
        "shared",
    ),
}


@needs_nvcc
@pytest.mark.parametrize("name", CUDA_FAULTS)
def test_every_cuda_build_failure_names_its_cause(name, cache, isolation, tmp_path):
    text, said = CUDA_FAULTS[name]
    source = tmp_path / "candidate.cu"
    source.write_text(text)
    found = built(source, of=BF16, cache=cache, isolation=isolation)
    assert isinstance(found, BuildFailure), found
    assert said in found.detail
    assert "/tmp/" not in found.detail


TRITON_HEAD = "import triton\nimport triton.language as tl\n"
LAUNCH = "def matmul(A, B, C, device):\n    kernel[(1,)](A)\n"
TRIVIAL = "@triton.jit\ndef kernel(A):\n    tl.store(A, 0.0)\ndef matmul(A, B, C, device):\n    kernel[(1,)](A)\n"
TRITON_FAULTS = {
    "torch": ("import torch\n", "build_failed", "torch is not available"),
    "a syntax error": ("def matmul(:\n", "build_failed", "candidate.py:1"),
    "no entry": (TRITON_HEAD, "build_failed", "matmul"),
    "no kernel": ("def matmul(A, B, C, device):\n    pass\n", "build_failed", "launched no Triton kernel"),
    "other arguments": ("def matmul(A, B):\n    pass\n", "build_failed", "TypeError"),
    "an attribute that handles lack": (
        "def matmul(A, B, C, device):\n    A.cuda()\n", "build_failed", "candidate.py:2: AttributeError"),
    "a kernel that does not compile": (
        f"{TRITON_HEAD}@triton.jit\ndef kernel(A):\n    tl.load(A + tl.arange(0, 31))\n{LAUNCH}",
        "build_failed", "power of 2"),
    "too much shared memory": (
        f"{TRITON_HEAD}@triton.jit\ndef kernel(A):\n    inner, rows = tl.arange(0, 512), tl.arange(0, 256)\n"
        "    x = tl.load(A + rows[:, None] * 512 + inner[None, :])\n"
        "    y = tl.load(A + inner[:, None] * 256 + rows[None, :])\n"
        "    tl.store(A + rows[:, None] * 256 + rows[None, :], tl.dot(x, y).to(tl.bfloat16))\n"
        "def matmul(A, B, C, device):\n    kernel[(1,)](C, num_warps=8, num_stages=1)\n",
        "build_failed", "shared memory"),
    "autotune": (
        f"{TRITON_HEAD}@triton.autotune([triton.Config({{'BLOCK': 64}}), triton.Config({{'BLOCK': 128}})], key=[])\n"
        f"@triton.jit\ndef kernel(A, BLOCK: tl.constexpr):\n    pass\n{LAUNCH}",
        "rejected", "2 configurations of BLOCK"),
    "a link in the cache": (
        f"{TRITON_HEAD}import os\n{TRIVIAL}    os.path.islink('cache/link') or os.symlink('/etc', 'cache/link')\n",
        "build_failed", "cannot be read"),
    "a pipe in the cache": (
        f"{TRITON_HEAD}import os\n{TRIVIAL}    os.path.exists('cache/pipe') or os.mkfifo('cache/pipe')\n",
        "build_failed", "not a file"),
    "a cache that is elsewhere": (
        f"{TRITON_HEAD}import os\n{TRIVIAL}    os.path.islink('cache') or "
        "(os.rename('cache', 'other'), os.symlink('other', 'cache'))\n",
        "build_failed", "cannot be read"),
    "an exit": ("import sys\nsys.exit(0)\n", "build_failed", "SystemExit"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRITON_FAULTS)
def test_every_triton_build_failure_names_its_cause(name, cache, isolation, tmp_path):
    text, status, said = TRITON_FAULTS[name]
    source = tmp_path / "candidate.py"
    source.write_text(text)
    found = built(source, of=FP8, cache=cache, isolation=isolation)
    assert isinstance(found, BuildFailure), found
    assert (found.status, said in found.detail) == (status, True), found.detail


def test_a_failure_in_a_hidden_case_names_only_the_kind_of_case(cache, isolation, tmp_path):
    source = tmp_path / "candidate.py"
    source.write_text("def matmul(A, B, C, device):\n    assert A.shape[0] == 8192, f'sizes are {A.shape}'\n")
    found = built(source, of=FP8, cache=cache, isolation=isolation)
    assert isinstance(found, BuildFailure)
    hidden = {case.kind for case in FP8.cases if case.hidden}
    assert any(found.detail.endswith(kind) for kind in hidden)
    assert "sizes are" not in found.detail


def test_an_endless_build_meets_its_deadline(cache, isolation, tmp_path):
    source = tmp_path / "candidate.py"
    source.write_text("while True:\n    pass\n")
    hurried = replace(FP8, limits=replace(FP8.limits, build_s=1.5))
    found = triton.build_triton(source, hurried, context=BuildContext(cache, isolation))
    assert isinstance(found, BuildFailure)
    assert "deadline" in found.detail


def test_a_damaged_folder_in_the_cache_is_built_again(cache, isolation):
    source = FP8.folder / "families" / "2_descriptors.py"
    first = built(source, of=FP8, cache=cache, isolation=isolation)
    again = built(source, of=FP8, cache=cache, isolation=isolation)
    assert isinstance(first, Built)
    assert isinstance(again, Built)
    assert again.cached
    (first.artifact / "candidate.py").write_text("# something else")
    repaired = built(source, of=FP8, cache=cache, isolation=isolation)
    assert isinstance(repaired, Built)
    assert not repaired.cached
    assert (repaired.artifact / "candidate.py").read_text() == source.read_text()


@pytest.mark.parametrize(
    ("registers", "threads", "shared", "warps"),
    [(32, None, 0, 64), (168, 384, 200_000, 12), (255, 128, 0, 8), (64, 1024, 0, 32), (24, 128, 60_000, 12)],
)
def test_occupancy_is_the_least_of_registers_shared_memory_and_blocks(registers, threads, shared, warps):
    assert sass.occupancy(registers, threads=threads, shared_bytes=shared) == warps / 64


@pytest.mark.parametrize("record", ["[]", "{", '{"num_warps": "9", "shared": -1}', "[" * 99_999])
def test_a_forged_kernel_record_is_ignored(record, cache, isolation, tmp_path):
    source = tmp_path / "candidate.py"
    source.write_text(
        f"{TRITON_HEAD}import glob\n{TRIVIAL}    for path in glob.glob('cache/*/kernel.json'):\n"
        f"        open(path, 'w').write({record!r})\n"
    )
    facts = facts_of(built(source, of=FP8, cache=cache, isolation=isolation), isolation)
    assert facts.text_bytes
    assert facts.registers is None
