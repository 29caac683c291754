"""Measures whether the judge's tolerances accept honest arithmetic and reject cheaper arithmetic.

    python benchmarks/precision.py [TASK ...] [--emulate] [--size 192]

Each task is computed in several ways (variants.py). For a GPU task the kernels in kernels/ run through the real judge,
at the task's main size. Without a GPU, with --emulate, and for CPU tasks, numpy emulates them, and verify.py examines
SIZE rows and columns of the main case with its whole inner dimension. Prints for each way

    frob       relative Frobenius distance from the exact result
    element    largest error of an element, as a fraction of the allowed error
    rms        root mean square of the errors, as a fraction of the allowed value
    misround   fraction of elements that are not the correctly rounded result
    coarse     fraction of small elements whose last two mantissa bits are zero
    z          largest residual of the product check, in allowed standard deviations; up to 8 pass
    verdict    of the full comparison and of the check of a timed call; on a GPU the judge's verdict
"""

import argparse
import json
import re
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness import task as tasks
from harness.checking import inputs, rounding, verify
from harness.checking.verify import Errors, Residuals, WrongOutput
from harness.judging import judge
from harness.judging.judgement import no_progress
from harness.judging.open_task import OpenTask
from harness.task import Arrays, Case, Task, Tolerance
from harness.timing.session import TimingSession
from harness.wire import messages as wire
from in_process import SUFFIXES, built, opened_task
from kernelsmith.judge_client import gpu
from variants import VARIANTS, Variant

ROOT = Path(__file__).resolve().parent.parent
KERNELS = Path(__file__).parent / "kernels"
HEAD = f"{'':38s} {'frob':>8s} {'element':>8s} {'rms':>6s} {'misround':>8s} {'coarse':>6s} {'z':>8s}  verdict"


@dataclass(frozen=True, slots=True)
class Row:
    """The errors and the verdict of one way to compute a task."""

    variant: Variant
    frobenius: float
    errors: Errors
    residuals: Residuals | None
    passed: bool
    verdict: str

    def text(self, tolerance: Tolerance) -> str:
        """Return a line of the table, marked `WRONG` if a cheat passed or an honest way failed."""
        errors, kind = self.errors, "honest" if self.variant.is_honest else "cheat"
        z = f"{self.residuals.largest / tolerance.rms:8.2f}" if self.residuals else f"{'':8s}"
        wrong = "" if self.passed is self.variant.is_honest else "  <-- WRONG"
        return (
            f"{kind:7s}{self.variant.name:31s} {self.frobenius:8.1e} {errors.largest / tolerance.max_element:8.3f} "
            f"{errors.rms / tolerance.rms:6.3f} {errors.mismatch:8.2%} {errors.coarse:6.3f} {z}  {self.verdict}{wrong}"
        )


def allowed(tolerance: Tolerance) -> str:
    """Return the figures of a tolerance in words."""
    return (
        f"allowed: element {tolerance.max_element:.3g}, rms {tolerance.rms:.3g}, misrounded {tolerance.mismatch:.2%}, "
        f"coarse {tolerance.coarse:.0%}"
    )


# --- in numpy -------------------------------------------------------------------------------------------------------


def smaller(task: Task, case: Case, *, size: int) -> Case:
    """Return a case with at most `size` rows and columns of output; the inner dimension (K, COLS) is unchanged."""
    inner = case.sizes.keys() & {"K", "COLS"}
    return replace(case, sizes={name: n if name in inner else min(n, size) for name, n in case.sizes.items()})


def drawn(task: Task, case: Case, rng: np.random.Generator) -> Arrays:
    """Return random inputs of a case, drawn as the judge draws them and rounded to their element types."""
    views = {b.name: np.empty(b.shape_in(case.sizes), np.float32) for b in task.buffers if not b.is_output}
    inputs.fill(task, case, views=views, rng=rng)
    return {name: rounding.rounded(values, task.buffer(name).dtype) for name, values in views.items()}


def stored(task: Task, computed: np.ndarray) -> Arrays:
    """Return a computed output, by its name, rounded to its element type as a kernel would store it."""
    output = next(buffer for buffer in task.buffers if buffer.is_output)
    return {output.name: rounding.rounded(np.asarray(computed, np.float32), output.dtype)}


def examined(call: verify.Call, rng: np.random.Generator) -> tuple[WrongOutput | None, WrongOutput | None]:
    """Return the mistakes that the full comparison and the check of a timed call find; None = correct."""
    return verify.compare(call, poison=inputs.POISON), verify.check_timed(call, rng=rng, poison=inputs.POISON)


def emulated(task: Task, variant: Variant, *, size: int) -> Row:
    """Compute a variant in numpy and return its errors and verdict."""
    assert variant.compute is not None
    case = smaller(task, next(case for case in task.cases if case.name == variant.case), size=size)
    rng = np.random.default_rng(0)
    operands = drawn(task, case, rng)
    outputs = stored(task, variant.compute(*operands.values()))
    call = verify.Call(task, case, operands, outputs)
    verdicts = examined(call, rng)
    (name, errors), *_ = verify.measure(call).items()
    residuals = verify.residuals(call, rng) if task.check.rule == "product" else None
    words = " / ".join("incorrect" if mistake else "passed" for mistake in verdicts)
    exact = task.reference({name: values.astype(np.float64) for name, values in operands.items()})[name]
    distance = float(np.linalg.norm(outputs[name] - exact) / np.linalg.norm(exact))
    return Row(variant, distance, errors, residuals, not any(verdicts), words)


def print_emulated(name: str, *, size: int) -> bool:
    """Print the table of a task, emulated in numpy; return whether exactly the honest variants passed."""
    task = tasks.load(ROOT / "tasks" / name)
    main = smaller(task, task.timed[0], size=size)
    print(f"\n{name}, emulated in numpy, {main.sizes}; {allowed(task.tolerance(main))}\n{HEAD}")
    rows = []
    for variant in (variant for variant in VARIANTS[name] if variant.compute):
        rows.append(emulated(task, variant, size=size))
        print(rows[-1].text(task.tolerance(main)), flush=True)
    return all(row.passed is row.variant.is_honest for row in rows)


# --- on a GPU -------------------------------------------------------------------------------------------------------


def switched(text: str, variant: Variant) -> str:
    """Return a kernel's source with the constants of a variant set. Raises AssertionError if one is not set once."""
    for name, value in (variant.switches or {}).items():
        constant = re.compile(rf"^((?:#define )?{name}(?: = | ))\S+", re.MULTILINE)
        text, count = constant.subn(rf"\g<1>{json.dumps(value)}", text)
        assert count == 1, f"{name} is set {count} times"
    return text


def judged(opened: OpenTask, source: Path, variant: Variant, *, folder: Path) -> Row:
    """Build a variant of a kernel, measure the errors of one call, and have the judge judge it."""
    language, path = SUFFIXES[source.suffix], folder / f"candidate{source.suffix}"
    path.write_text(switched(source.read_text(encoding="utf-8"), variant), encoding="utf-8")
    artifact = built(opened, path.read_text(encoding="utf-8"), language=language, folder=folder)
    frobenius, errors, residuals = measured(opened, artifact, variant)
    candidate = wire.Source(str(path), language)
    request = wire.Measure("precision", str(opened.task.folder), candidate)
    verdict = judge.measure(opened, request, no_progress)
    words = f"{verdict.status} {verdict.detail[:90]}".rstrip()
    return Row(variant, frobenius, errors, residuals, verdict.status == "passed", words)


def measured(opened: OpenTask, artifact: Path, variant: Variant) -> tuple[float, Errors, Residuals | None]:
    """Return Frobenius distance, errors and product residuals (None without a product) of one call on a GPU."""
    case = next(case for case in opened.task.cases if case.name == variant.case)
    calls = 1 + int((variant.switches or {}).get("LATER", 0))
    with opened.worker(artifact) as worker:
        session = opened.session(worker, case).after(0.0)
        for _ in range(calls):
            key = inputs.fresh_key()
            session.refresh(range(1), key)
            session.run(range(1), key)
        return _measured_on_card(session)


def _measured_on_card(session: TimingSession) -> tuple[float, Errors, Residuals | None]:
    import cupy

    from harness.memory.cuda import CudaOperandSets

    task, operands = session.task, session.operands
    assert isinstance(operands, CudaOperandSets)
    stored = operands.stored(slot=session.slot)
    ((name, errors),) = stored.measure(0).items()
    call_inputs, outputs = stored.operands(0)
    exact = task.reference(call_inputs, cupy)[name]
    values = stored.examiner.decoded(outputs[name], exact.shape, dtype=task.buffer(name).dtype)
    norm = cupy.linalg.norm
    frobenius = float(norm((values - exact).ravel()) / norm(exact.ravel()))
    if task.check.rule != "product":
        return frobenius, errors, None
    (residuals,) = stored.residuals(range(1), rng=np.random.default_rng())
    return frobenius, errors, residuals


def print_judged(name: str, *, folder: Path) -> bool:
    """Print the table of a task, judged on a GPU; return whether exactly the honest variants passed."""
    (source,) = KERNELS.glob(f"{name.removeprefix('hopper_')}.*")
    rows = []
    with opened_task(name, folder) as opened:
        tolerance = opened.task.tolerance(opened.main)
        sizes = dict(opened.main.sizes)
        print(f"\n{name}, judged on {opened.device.name}, {sizes}; {allowed(tolerance)}\n{HEAD}")
        for variant in (variant for variant in VARIANTS[name] if variant.switches is not None):
            rows.append(judged(opened, source, variant, folder=folder))
            print(rows[-1].text(tolerance), flush=True)
    return all(row.passed is row.variant.is_honest for row in rows)


def main() -> int:
    """Print the tables and return the exit status: 1 if a cheat passed or an honest variant failed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(VARIANTS), metavar="TASK")
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--size", type=int, default=192)
    arguments = parser.parse_args()
    with_gpu = not gpu.missing() and not arguments.emulate
    with tempfile.TemporaryDirectory() as folder:
        outcomes = [
            print_judged(name, folder=Path(folder))
            if with_gpu and name.startswith("hopper")
            else print_emulated(name, size=arguments.size)
            for name in arguments.tasks
        ]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
