"""Does the judge's rule tell honest arithmetic from cheaper arithmetic? What each way to compute measures by it.

    python benchmarks/precision.py [TASK ...] [--emulate] [--size 192]

Where a GPU answers, the kernels in kernels/ run through the real judge, at each task's main size. Elsewhere, with
--emulate, and for tasks of a CPU, numpy emulates them and verify.py examines SIZE rows and columns of the main case,
with all of its K. Prints for each way

    frob       relative Frobenius distance from the exact result
    element    largest error of one element, of what is allowed
    rms        error of all together, of what is allowed
    misround   elements that are not the correctly rounded result
    coarse     small elements that end in two zero bits
    z          largest residual of the product check in tolerated standard deviations; 8 are allowed
    verdict    of the full comparison and of the check of a timed call; on a GPU the judge's
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
    """What one way to compute measures."""

    variant: Variant
    frobenius: float
    errors: Errors
    residuals: Residuals | None
    passed: bool
    verdict: str

    def text(self, tolerance: Tolerance) -> str:
        """One line; what should not be is marked."""
        errors, kind = self.errors, "honest" if self.variant.is_honest else "cheat"
        z = f"{self.residuals.largest / tolerance.rms:8.2f}" if self.residuals else f"{'':8s}"
        wrong = "" if self.passed is self.variant.is_honest else "  <-- WRONG"
        return (
            f"{kind:7s}{self.variant.name:31s} {self.frobenius:8.1e} {errors.largest / tolerance.max_element:8.3f} "
            f"{errors.rms / tolerance.rms:6.3f} {errors.mismatch:8.2%} {errors.coarse:6.3f} {z}  {self.verdict}{wrong}"
        )


def allowed(tolerance: Tolerance) -> str:
    """The rule in figures."""
    return (
        f"allowed: element {tolerance.max_element:.3g}, rms {tolerance.rms:.3g}, misrounded {tolerance.mismatch:.2%}, "
        f"coarse {tolerance.coarse:.0%}"
    )


# --- in numpy -------------------------------------------------------------------------------------------------------


def smaller(task: Task, case: Case, *, size: int) -> Case:
    """So many rows and columns of a case's output, each as long a sum as ever."""
    inner = case.sizes.keys() & {"K", "COLS"}
    return replace(case, sizes={name: n if name in inner else min(n, size) for name, n in case.sizes.items()})


def drawn(task: Task, case: Case, rng: np.random.Generator) -> Arrays:
    """Inputs as the judge draws them, rounded to their types."""
    given = {b.name: np.empty(b.shape_in(case.sizes), np.float32) for b in task.buffers if not b.is_output}
    inputs.fill(task, case, views=given, rng=rng)
    return {name: rounding.rounded(values, task.buffer(name).dtype) for name, values in given.items()}


def stored(task: Task, computed: np.ndarray) -> Arrays:
    """The output as it would be written."""
    output = next(buffer for buffer in task.buffers if buffer.is_output)
    return {output.name: rounding.rounded(np.asarray(computed, np.float32), output.dtype)}


def examined(call: verify.Call, rng: np.random.Generator) -> tuple[WrongOutput | None, WrongOutput | None]:
    """Return what the full comparison finds, and what the check of a timed call finds."""
    return verify.compare(call, poison=inputs.POISON), verify.check_timed(call, rng=rng, poison=inputs.POISON)


def emulated(task: Task, variant: Variant, *, size: int) -> Row:
    """One way, in numpy."""
    assert variant.compute is not None
    case = smaller(task, next(case for case in task.cases if case.name == variant.case), size=size)
    rng = np.random.default_rng(0)
    given = drawn(task, case, rng)
    made = stored(task, variant.compute(*given.values()))
    call = verify.Call(task, case, given, made)
    verdicts = examined(call, rng)
    (name, errors), *_ = verify.measure(call).items()
    residuals = verify.residuals(call, rng) if task.check.rule == "product" else None
    told = " / ".join("incorrect" if mistake else "passed" for mistake in verdicts)
    exact = task.reference({name: values.astype(np.float64) for name, values in given.items()})[name]
    distance = float(np.linalg.norm(made[name] - exact) / np.linalg.norm(exact))
    return Row(variant, distance, errors, residuals, not any(verdicts), told)


def print_emulated(name: str, *, size: int) -> bool:
    """A task's table; whether all is as it should be."""
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
    """A kernel's source with its constants set."""
    for name, value in (variant.switches or {}).items():
        constant = re.compile(rf"^((?:#define )?{name}(?: = | ))\S+", re.MULTILINE)
        text, count = constant.subn(rf"\g<1>{json.dumps(value)}", text)
        assert count == 1, f"{name} is set {count} times"
    return text


def judged(opened: OpenTask, source: Path, variant: Variant, *, folder: Path) -> Row:
    """One way: measured in a call, then judged."""
    language, path = SUFFIXES[source.suffix], folder / f"candidate{source.suffix}"
    path.write_text(switched(source.read_text(encoding="utf-8"), variant), encoding="utf-8")
    artifact = built(opened, path.read_text(encoding="utf-8"), language=language, folder=folder)
    frobenius, errors, residuals = measured(opened, artifact, variant)
    candidate = wire.Source(str(path), language)
    request = wire.Measure("precision", str(opened.task.folder), candidate)
    verdict = judge.measure(opened, request, no_progress)
    told = f"{verdict.status} {verdict.detail[:90]}".rstrip()
    return Row(variant, frobenius, errors, residuals, verdict.status == "passed", told)


def measured(opened: OpenTask, artifact: Path, variant: Variant) -> tuple[float, Errors, Residuals | None]:
    """Frobenius distance, errors and product check of one call of the variant's case."""
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
    given, made = stored.operands(0)
    exact = task.reference(given, cupy)[name]
    values = stored.examiner.decoded(made[name], exact.shape, dtype=task.buffer(name).dtype)
    norm = cupy.linalg.norm
    frobenius = float(norm((values - exact).ravel()) / norm(exact.ravel()))
    if task.check.rule != "product":
        return frobenius, errors, None
    (residuals,) = stored.residuals(range(1), rng=np.random.default_rng())
    return frobenius, errors, residuals


def print_judged(name: str, *, folder: Path) -> bool:
    """A task's table by real kernels; whether all is as it should be."""
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
    """Print the tables; 1 where a verdict is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(VARIANTS), metavar="TASK")
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--size", type=int, default=192)
    arguments = parser.parse_args()
    with_gpu = not gpu.missing() and not arguments.emulate
    with tempfile.TemporaryDirectory() as folder:
        as_wished = [
            print_judged(name, folder=Path(folder))
            if with_gpu and name.startswith("hopper")
            else print_emulated(name, size=arguments.size)
            for name in arguments.tasks
        ]
    return 0 if all(as_wished) else 1


if __name__ == "__main__":
    sys.exit(main())
