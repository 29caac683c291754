"""The judge's clock beside other clocks: kernels of known length, and calls that are timed from within.

On a GPU the other clocks are its own timer and CUDA events; on a CPU, the kernel's raw monotonic clock, read by the
candidate. These candidates are trusted: what they say of themselves is taken from their outputs.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.checking import inputs
from harness.compiling import signature
from harness.judging import opened as opening
from harness.judging.opened import Opened
from harness.task import Task
from harness.timing.clock import Stand
from in_process import SUFFIXES, built

LENGTHS_S = (0.0002, 0.001, 0.005)
PAUSES_S = (0.0, 0.02, 0.1)
CPU_LENGTHS_S = (0.0001, 0.001, 0.01)
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
TIMED_WITHIN = """\
#define {entry} of_kernel
{text}
#undef {entry}
#include <string.h>
#include <time.h>

/* Writes into its output what the call took, in seconds; lasts `ns` at least. */
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


# --- a GPU: kernels of known length ---------------------------------------------------------------------------------


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
    stand.refresh(range(1), opening.NO_KEY)
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


# --- a GPU: the vendor line -----------------------------------------------------------------------------------------


def vendor_with_events(opened: Opened) -> str:
    """The vendor's candidate, which also tells by CUDA events how long its calls took."""
    entry, vendor = opened.task.entry, opened.workplace.vendor_source(opened.task).read_text(encoding="utf-8")
    prototype = signature.cuda_declaration(opened.task).splitlines()[-1].removesuffix(";")
    names = ", ".join(name for name, _ in opened.task.arguments)
    wrapper = EVENTS.format(prototype=prototype, names=names, output=_output(opened.task))
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
    print(
        f"{opened.vendor.name}, by the judge and by CUDA events: {apart(pairs, quantile=opened.pace.quantile)}",
        flush=True,
    )


# --- a CPU: calls timed from within ---------------------------------------------------------------------------------


def timed_within(task: Task, text: str, *, at_least_s: float = 0.0) -> str:
    """A candidate that also tells how long its call took, and takes no less than so long."""
    return TIMED_WITHIN.format(
        entry=task.entry, text=text, prototype=signature.declaration(task).removesuffix(";"),
        names=", ".join(name for name, _ in task.arguments), output=_output(task), ns=round(at_least_s * 1e9),
    )  # fmt: skip


def single_calls(opened: Opened, artifact: Path, *, batches: int) -> list[tuple[float, float]]:
    """(seconds by the judge's clock, by the candidate's) of each call, alone as in a batch of the main case."""
    pairs = []
    with opened.worker(artifact) as worker:
        stand = opened.stand(worker, opened.main)
        for _ in range(batches + 1):
            key = inputs.fresh_key()
            stand.refresh(range(1), key)
            run = stand.run(range(1), key, deadline_s=opened.task.limits.call_s)
            pairs.append((run.reading.call_s, _told_s(stand)))
    return pairs[1:]


def _told_s(stand: Stand) -> float:
    column = next(number for number, buffer in enumerate(stand.task.buffers) if buffer.is_output)
    first = int(stand.layout.offsets[0, column])
    memory = stand.arena.outputs[stand.seat].bytes  # type: ignore[attr-defined]
    return float(memory[first : first + 8].view(np.float64)[0])


def print_within(opened: Opened, kernel: Path, *, batches: int, folder: Path) -> None:
    """A row for each length of an idle candidate, and one for a real kernel."""
    idle = signature.standard(opened.task)
    for length_s in CPU_LENGTHS_S:
        text = timed_within(opened.task, idle, at_least_s=length_s)
        pairs = single_calls(opened, built(opened, text, language="c", folder=folder), batches=batches)
        told = apart(pairs, quantile=opened.pace.quantile)
        print(f"a call of {length_s * 1e3:g} ms, by the judge and from within: {told}", flush=True)
    text = timed_within(opened.task, kernel.read_text(encoding="utf-8"))
    pairs = single_calls(opened, built(opened, text, language=SUFFIXES[kernel.suffix], folder=folder), batches=batches)
    told = apart(pairs, quantile=opened.pace.quantile)
    print(f"{kernel.name}, by the judge and from within: {told}", flush=True)


def apart(pairs: Sequence[tuple[float, float]], *, quantile: float) -> str:
    """How far two clocks are apart, in what a score is made of and batch by batch."""
    ours, theirs = (float(np.quantile(column, quantile)) * 1e6 for column in zip(*pairs, strict=True))
    ratios = sorted(judge / other - 1 for judge, other in pairs)
    low, _, high = statistics.quantiles(ratios, n=4)
    return (
        f"{ours:.2f} and {theirs:.2f} us as scores, apart {ours / theirs - 1:+.2%}; batch by batch "
        f"{statistics.median(ratios):+.2%} (quartiles {low:+.2%} to {high:+.2%}, all {ratios[0]:+.2%} to "
        f"{ratios[-1]:+.2%}, {len(pairs)} batches)"
    )


def _output(task: Task) -> str:
    return next(buffer.name for buffer in task.buffers if buffer.is_output)
