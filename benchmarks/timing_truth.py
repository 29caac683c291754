"""Does the judge's clock tell the truth? The same calls timed by it and by the GPU's own clocks.

    python benchmarks/timing_truth.py [--task hopper_fp8_matmul] [--batches 20]

The judge runs in this process, with workers in their sandbox as ever. Prints

- the time of a kernel of known length (it spins by the GPU's timer) beyond that length, for several lengths, after
  several pauses: what is deducted from a batch after such a pause should be that, in each row;
- batches of the vendor line by the judge's clock and by CUDA events that the worker records around the same calls.

Needs a GPU, and an interpreter that has cupy and, for Triton's row, triton.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "harness"))

import inputs  # noqa: E402
import machine  # noqa: E402
import opened as opening  # noqa: E402
import rehearsal  # noqa: E402
import sandbox  # noqa: E402
from build import signature  # noqa: E402
from build.built import Built  # noqa: E402
from clock import Stand  # noqa: E402
from opened import Opened  # noqa: E402

LENGTHS_S = (0.0002, 0.001, 0.005)
PAUSES_S = (0.0, 0.02, 0.1)
KNOWN_BATCHES = 15
EVENTS = """
static cudaEvent_t first, last;
static float *told_ms;

/* A call that finds everything before it finished begins a batch, and writes into its output what the last one took. */
{prototype}
{{
    if (told_ms == nullptr) {{
        cudaEventCreate(&first);
        cudaEventCreate(&last);
        cudaMallocHost(&told_ms, sizeof *told_ms);
    }}
    const bool begins = cudaEventQuery(last) == cudaSuccess;
    (void)cudaGetLastError();
    if (begins) {{
        cudaEventElapsedTime(told_ms, first, last);
        (void)cudaGetLastError();
        cudaEventRecord(first, stream);
    }}
    of_vendor({names}, stream);
    if (begins)
        cudaMemcpyAsync({output}, told_ms, sizeof *told_ms, cudaMemcpyHostToDevice, stream);
    cudaEventRecord(last, stream);
}}
"""


@contextmanager
def opened_task(name: str, cache: Path) -> Iterator[Opened]:
    """The task as a judge opens it."""
    from workplace.cuda import CudaWorkplace

    cores = machine.split_cores()
    machine.take_place(cores)
    place = CudaWorkplace(cache, ordinal=0, isolation=sandbox.probe(), cores=cores)
    found = opening.open_task(rehearsal.load(ROOT / "tasks" / name), workplace=place, calibration_s=1.0)
    try:
        yield found
    finally:
        found.close()


def built(opened: Opened, text: str, *, language: str, folder: Path) -> Path:
    """A trusted candidate's artifact."""
    source = folder / "trusted"
    source.write_text(text, encoding="utf-8")
    artifact = opened.build(source, language=language)
    assert isinstance(artifact, Built), artifact
    return artifact.artifact


# --- kernels of known length ---------------------------------------------------------------------------------------


def beyond_s(opened: Opened, artifact: Path, *, length_s: float) -> dict[float, tuple[float, float]]:
    """By the pause before it, what a single call takes beyond the kernel's length: median and interquartile range."""
    found = {}
    with opened.worker(artifact) as worker:
        stand = opened.stand(worker, opened.main)
        for pause_s in PAUSES_S:
            runs = [_run(stand.after(pause_s)) for _ in range(KNOWN_BATCHES)]
            beyond = [seconds + stand.overheads_s.get(pause_s, 0.0) - length_s for seconds in runs]
            low, _, high = statistics.quantiles(beyond, n=4)
            found[pause_s] = (statistics.median(beyond), high - low)
    return found


def _run(stand: Stand) -> float:
    return stand.run(range(1), opening.NO_KEY, deadline_s=5.0).reading.call_s


def print_known(opened: Opened, *, folder: Path) -> None:
    """A row for each language and length."""
    makers = {"cuda": signature.cuda_standard, "triton": signature.triton_standard}
    for language in opened.overheads:
        overheads = opened.overheads[language].items()
        told = ", ".join(f"{one.seconds * 1e6:.0f} after {pause_s * 1e3:g} ms" for pause_s, one in overheads)
        print(f"{language}: deducted from a batch, in us: {told}")
        for length_s in LENGTHS_S:
            text = makers[language](opened.task, seconds=length_s)
            found = beyond_s(opened, built(opened, text, language=language, folder=folder), length_s=length_s)
            told = ", ".join(
                f"{median * 1e6:.0f} (range {spread * 1e6:.0f}) after {pause_s * 1e3:g} ms"
                for pause_s, (median, spread) in found.items()
            )
            print(f"  a kernel of {length_s * 1e3:g} ms takes beyond that, in us: {told}", flush=True)


# --- the vendor line -----------------------------------------------------------------------------------------------


def vendor_with_events(opened: Opened) -> str:
    """The vendor's candidate, which also tells by CUDA events how long its calls took."""
    entry, vendor = opened.task.entry, opened.workplace.vendor_source(opened.task).read_text(encoding="utf-8")
    prototype = signature.cuda_declaration(opened.task).splitlines()[-1].removesuffix(";")
    output = next(buffer.name for buffer in opened.task.buffers if buffer.is_output)
    names = ", ".join(name for name, _ in opened.task.arguments)
    wrapper = EVENTS.format(prototype=prototype, names=names, output=output)
    return f"#define {entry} of_vendor\n{vendor}\n#undef {entry}\n{wrapper}"


def paired_batches(opened: Opened, artifact: Path, *, batches: int) -> list[tuple[float, float]]:
    """(seconds a call by the judge's clock, by CUDA events) of each batch."""
    assert opened.vendor is not None
    plan = opening.opened_plan(opened, opened.main, pilot_s=opened.vendor_s)
    ours, theirs = [], []
    with opened.worker(artifact, profile=opened.vendor.profile) as worker:
        stand = opened.stand(worker, opened.main, sets=plan.calls)
        for _ in range(batches + 2):
            key = inputs.fresh_key()
            stand.refresh(range(plan.calls), key)
            run = stand.run(range(plan.calls), key, deadline_s=opened.task.limits.call_s, expected_s=plan.expected_s)
            ours.append(run.reading.call_s)
            theirs.append(_told_ms(stand) * 1e-3 / plan.calls)
    # The first batch chooses the library's kernel; what a batch took is told by the next one.
    return list(zip(ours[1:-1], theirs[2:], strict=True))


def _told_ms(stand: Stand) -> float:
    column = next(number for number, buffer in enumerate(stand.task.buffers) if buffer.is_output)
    memory = stand.arena.outputs[stand.seat]  # type: ignore[attr-defined]
    return float(memory.array(int(stand.layout.offsets[0, column]), 1, "float32")[0])


def print_vendor(opened: Opened, *, batches: int, folder: Path) -> None:
    """Both clocks, and how far they are apart."""
    if opened.vendor is None:
        print("no vendor line: nothing to compare by CUDA events")
        return
    artifact = built(opened, vendor_with_events(opened), language="cuda", folder=folder)
    pairs = paired_batches(opened, artifact, batches=batches)
    apart = [judge / events - 1 for judge, events in pairs]
    judge, events = (statistics.median(column) * 1e6 for column in zip(*pairs, strict=True))
    print(
        f"{opened.vendor.name}, {len(pairs)} batches: {judge:.2f} us a call by the judge, {events:.2f} by CUDA events; "
        f"apart {statistics.median(apart):+.2%} (from {min(apart):+.2%} to {max(apart):+.2%})"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="hopper_fp8_matmul")
    parser.add_argument("--batches", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, opened_task(arguments.task, Path(temporary)) as opened:
        print_known(opened, folder=Path(temporary))
        print_vendor(opened, batches=arguments.batches, folder=Path(temporary))


if __name__ == "__main__":
    main()
