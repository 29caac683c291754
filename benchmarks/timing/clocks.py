"""Compares the judge's clock with other clocks.

On a GPU these are the GPU's own timer, by kernels of known length, and CUDA events. On a CPU it is the raw monotonic
clock, which the candidate reads. The candidates are trusted: they write the measured times into their outputs.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.checking import inputs
from harness.compiling import signature
from harness.judging.open_task import OpenTask
from harness.judging.opening import NO_KEY
from harness.memory.cpu import CpuMemory
from harness.task import Task
from harness.timing.session import TimingSession
from in_process import SUFFIXES, built

LENGTHS_S = (0.0002, 0.001, 0.005)
PAUSES_S = (0.0, 0.02, 0.1)
CPU_LENGTHS_S = (0.0001, 0.001, 0.01)
KNOWN_BATCHES = 15
"""Batches for each length and pause on a GPU."""
EVENTS = """
static cudaEvent_t first, last;
static float *batch_ms;

/* A call that finds all earlier calls finished is the first of a batch: it writes the previous batch's time into its
 * output. */
{prototype}
{{
    if (batch_ms == nullptr) {{
        cudaEventCreate(&first);
        cudaEventCreate(&last);
        cudaMallocHost(&batch_ms, sizeof *batch_ms);
    }}
    const bool begins = cudaEventQuery(last) == cudaSuccess;
    (void)cudaGetLastError();
    if (begins) {{
        cudaEventElapsedTime(batch_ms, first, last);
        (void)cudaGetLastError();
        cudaEventRecord(first, stream);
    }}
    of_vendor({names}, stream);
    if (begins)
        cudaMemcpyAsync({output}, batch_ms, sizeof *batch_ms, cudaMemcpyHostToDevice, stream);
    cudaEventRecord(last, stream);
}}
"""
"""CUDA source around the vendor's candidate: it measures each batch by CUDA events, in milliseconds."""
TIMED_WITHIN = """\
#define {entry} of_kernel
{text}
#undef {entry}
#include <string.h>
#include <time.h>

/* Writes the seconds that the call took into its output; the call takes at least `ns` nanoseconds. */
{prototype}
{{
    struct timespec begin, now;
    double seconds;
    clock_gettime(CLOCK_MONOTONIC_RAW, &begin);
    of_kernel({names});
    do {{
        clock_gettime(CLOCK_MONOTONIC_RAW, &now);
        seconds = (double)(now.tv_sec - begin.tv_sec) + 1e-9 * (double)(now.tv_nsec - begin.tv_nsec);
    }} while (seconds < 1e-9 * {ns});
    memcpy({output}, &seconds, sizeof seconds);
}}
"""
"""C source around a candidate: it measures each call by the raw monotonic clock, in seconds."""


# --- a GPU: kernels of known length ---------------------------------------------------------------------------------


def beyond_s(opened: OpenTask, artifact: Path, *, length_s: float) -> dict[float, tuple[float, float]]:
    """Return how much longer a single call takes than the kernel inside it, for each pause before the call.

    The result maps the pause in seconds to the median and the interquartile range, both in seconds.
    """
    excess_s = {}
    with opened.worker(artifact) as worker:
        session = opened.session(worker, opened.main)
        for pause_s in PAUSES_S:
            runs = [_run(session.after(pause_s)) for _ in range(KNOWN_BATCHES)]
            beyond = [seconds + session.overheads_s.get(pause_s, 0.0) - length_s for seconds in runs]
            low, _, high = statistics.quantiles(beyond, n=4)
            excess_s[pause_s] = (statistics.median(beyond), high - low)
    return excess_s


def _run(session: TimingSession) -> float:
    session.refresh(range(1), NO_KEY)
    return session.run(range(1), NO_KEY).time.call_s


def print_known(opened: OpenTask, *, folder: Path) -> None:
    """Print for each language and kernel length how much longer a call takes than its kernel, after each pause."""
    makers = {"cuda": signature.cuda_standard, "triton": signature.triton_standard}
    for language, overheads in opened.calibration.overheads.items():
        row = ", ".join(f"{each.seconds * 1e6:.0f} after {pause_s * 1e3:g} ms" for pause_s, each in overheads.items())
        print(f"{language}: deducted from a batch, in us: {row}")
        for length_s in LENGTHS_S:
            text = makers[language](opened.task, seconds=length_s)
            excess_s = beyond_s(opened, built(opened, text, language=language, folder=folder), length_s=length_s)
            row = ", ".join(
                f"{median * 1e6:.0f} (range {spread * 1e6:.0f}) after {pause_s * 1e3:g} ms"
                for pause_s, (median, spread) in excess_s.items()
            )
            print(f"  a call takes longer than its kernel of {length_s * 1e3:g} ms by, in us: {row}", flush=True)


# --- a GPU: the vendor line -----------------------------------------------------------------------------------------


def vendor_with_events(opened: OpenTask) -> str:
    """Return the source of the vendor's candidate, extended so that it times each batch by CUDA events."""
    entry, vendor = opened.task.entry, opened.device.vendor_source(opened.task).read_text(encoding="utf-8")
    prototype = signature.cuda_declaration(opened.task).splitlines()[-1].removesuffix(";")
    names = ", ".join(name for name, _ in opened.task.arguments)
    wrapper = EVENTS.format(prototype=prototype, names=names, output=_output(opened.task))
    return f"#define {entry} of_vendor\n{vendor}\n#undef {entry}\n{wrapper}"


def paired_batches(opened: OpenTask, artifact: Path, *, batches: int) -> list[tuple[float, float]]:
    """Return for each batch the seconds per call by the judge's clock, and by CUDA events."""
    measured = opened.calibration.vendor
    assert measured is not None
    plan = opened.plan(opened.main, pilot_s=measured.call_s)
    ours, theirs, sets = [], [], range(plan.calls)
    with opened.worker(artifact, profile=measured.vendor.profile) as worker:
        session = opened.session(worker, opened.main, sets=plan.calls)
        for _ in range(batches + 2):
            key = inputs.fresh_key()
            session.refresh(sets, key)
            ours.append(session.run(sets, key, expected_s=plan.expected_s).time.call_s)
            theirs.append(_written_ms(session) * 1e-3 / plan.calls)
    # The first batch chooses the library's kernel. Each batch writes the time of the batch before it.
    return list(zip(ours[1:-1], theirs[2:], strict=True))


def _written_ms(session: TimingSession) -> float:
    from harness.memory.cuda import CudaMemory

    memory = session.resources.memory
    assert isinstance(memory, CudaMemory)
    return float(memory.outputs[session.slot].array(_first_output(session), 1, "float32")[0])


def _first_output(session: TimingSession) -> int:
    """Return the byte offset of the first operand set's output in the memory of outputs."""
    column = next(number for number, buffer in enumerate(session.task.buffers) if buffer.is_output)
    return int(session.operands.layout.offsets[0, column])


def print_vendor(opened: OpenTask, *, batches: int, folder: Path) -> None:
    """Print the vendor's time by the judge's clock and by CUDA events, and their difference."""
    if (measured := opened.calibration.vendor) is None:
        print("no vendor line: nothing to compare by CUDA events")
        return
    artifact = built(opened, vendor_with_events(opened), language="cuda", folder=folder)
    pairs = paired_batches(opened, artifact, batches=batches)
    print(
        f"{measured.vendor.name}, by the judge and by CUDA events: {apart(pairs, quantile=opened.pace.quantile)}",
        flush=True,
    )


# --- a CPU: calls timed from within ---------------------------------------------------------------------------------


def timed_within(task: Task, text: str, *, at_least_s: float = 0.0) -> str:
    """Return the source of a candidate, extended so that each call times itself and takes at least `at_least_s`."""
    return TIMED_WITHIN.format(
        entry=task.entry, text=text, prototype=signature.declaration(task).removesuffix(";"),
        names=", ".join(name for name, _ in task.arguments), output=_output(task), ns=round(at_least_s * 1e9),
    )  # fmt: skip


def single_calls(opened: OpenTask, artifact: Path, *, batches: int) -> list[tuple[float, float]]:
    """Return for each batch of one call the seconds by the judge's clock, and those that the candidate measured."""
    pairs = []
    with opened.worker(artifact) as worker:
        session = opened.session(worker, opened.main)
        for _ in range(batches + 1):
            key = inputs.fresh_key()
            session.refresh(range(1), key)
            batch = session.run(range(1), key)
            pairs.append((batch.time.call_s, _written_s(session)))
    return pairs[1:]


def _written_s(session: TimingSession) -> float:
    memory, first = session.resources.memory, _first_output(session)
    assert isinstance(memory, CpuMemory)
    return float(memory.outputs[session.slot].bytes[first : first + 8].view(np.float64)[0])


def print_within(opened: OpenTask, kernel: Path, *, batches: int, folder: Path) -> None:
    """Print both clocks' times for an idle candidate of each length, and for the kernel."""
    idle = signature.standard(opened.task)
    for length_s in CPU_LENGTHS_S:
        text = timed_within(opened.task, idle, at_least_s=length_s)
        pairs = single_calls(opened, built(opened, text, language="c", folder=folder), batches=batches)
        difference = apart(pairs, quantile=opened.pace.quantile)
        print(f"a call of {length_s * 1e3:g} ms, by the judge and by the candidate: {difference}", flush=True)
    text = timed_within(opened.task, kernel.read_text(encoding="utf-8"))
    pairs = single_calls(opened, built(opened, text, language=SUFFIXES[kernel.suffix], folder=folder), batches=batches)
    difference = apart(pairs, quantile=opened.pace.quantile)
    print(f"{kernel.name}, by the judge and by the candidate: {difference}", flush=True)


def apart(pairs: Sequence[tuple[float, float]], *, quantile: float) -> str:
    """Return in words how far two clocks differ: in the given quantile over batches, and batch by batch.

    `pairs` holds for each batch the seconds per call by the judge's clock and by the other clock.
    """
    ours, theirs = (float(np.quantile(column, quantile)) * 1e6 for column in zip(*pairs, strict=True))
    ratios = sorted(judge / other - 1 for judge, other in pairs)
    low, _, high = statistics.quantiles(ratios, n=4)
    return (
        f"{ours:.2f} and {theirs:.2f} us as scores, difference {ours / theirs - 1:+.2%}; batch by batch "
        f"{statistics.median(ratios):+.2%} (quartiles {low:+.2%} to {high:+.2%}, all {ratios[0]:+.2%} to "
        f"{ratios[-1]:+.2%}, {len(pairs)} batches)"
    )


def _output(task: Task) -> str:
    return next(buffer.name for buffer in task.buffers if buffer.is_output)
