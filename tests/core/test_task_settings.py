"""Every setting of task.toml has a reader: each is changed in a copy of a small task, and something else happens.

What happens is seen in the prompt's brief, in a function of the harness that decides by the setting, or in a verdict of
a real judge.
"""

import shutil
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import numpy as np
import pytest
from pydantic import BaseModel

from harness import task as tasks
from harness.checking import benchmark_check, verify
from harness.compiling import cuda, nvcc
from harness.devices import cpu
from harness.judging import admission, measurement
from harness.judging.findings import Findings
from harness.timing import failure
from harness.timing.plan import MIN_BATCHES, Planner
from harness.wire.messages import Source
from harness.worker import WorkerDied
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.run import Device
from kernelsmith.core.task_file import TaskFile
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.judge_client.harness import HarnessProcess
from kernelsmith.prompts.prompt import brief

TASKS = Path(__file__).parents[1] / "tasks"
Edit = tuple[str, str]
"""An old and a new piece of task.toml; a comma list of such pieces where a setting cannot change by itself."""
NO_VENDOR = ('vendor = "openblas"\n', "")
HEAD = "void matmul(const float *A, const float *B, float *C, int M, int N, int K)"


# --- what is seen of a setting --------------------------------------------------------------------------------------


def shown(folder: Path) -> object:
    """What the proposer reads of the task."""
    return brief(load_task(folder), None)


def device_shown(folder: Path) -> object:
    return [line for line in brief(load_task(folder), None).splitlines() if "utilization is" in line]


def admitted(folder: Path) -> object:
    """Whether a source that is long and names a function `calloc` is taken."""
    source = folder / "candidate.c"
    source.write_text(f"{HEAD} {{ calloc(1, 1); }} // {'long ' * 100}\n")
    try:
        admission.admit_source(tasks.load(folder), Source(str(source), "c"), Findings())
    except failure.CandidateFailed as failed:
        return failed.detail
    return "admitted"


def errors(folder: Path) -> object:
    """How far off slightly wrong outputs are: the rule says in which unit, the arguments are its parts."""
    task = tasks.load(folder)
    rng = np.random.default_rng(0)
    given = {b.name: rng.standard_normal(b.shape_in(task.cases[0].sizes)) for b in task.buffers if not b.is_output}
    made = {name: array + 1e-3 for name, array in task.reference(given).items()}
    return verify.measure(verify.Call(task, task.cases[0], given, made))


def rehearsed(folder: Path) -> object:
    """Whether a benchmark whose rows depend on one another is taken."""
    benchmark = folder / "benchmark.py"
    benchmark.write_text(benchmark.read_text().replace('{"C": a @ b.T}', '{"C": a @ b.T + a.sum()}'))
    try:
        benchmark_check.load(folder)
    except tasks.TaskFault as fault:
        return str(fault)
    return "taken"


def batches(folder: Path) -> object:
    """Whether a case is timed in more than the fewest batches."""
    task = tasks.load(folder)
    plan = Planner(task, task.cases[0], cpu.PACE, set_s=1e-4, cache_bytes=1 << 20).plan(1e-3, random_source=Random(0))
    return plan.batches > MIN_BATCHES


def mean(folder: Path) -> object:
    """The score of two cases that take 1 and 2 seconds."""
    return measurement.weighted_mean(tasks.load(folder), {"main": 1.0, "odd": 2.0})


def death(folder: Path) -> object:
    """What a crash in the hidden case tells."""
    case = tasks.load(folder).cases[1]
    with pytest.raises(failure.CandidateFailed) as caught, failure.deaths_are_verdicts(case):
        raise WorkerDied("killed")
    return caught.value.detail


def target(folder: Path) -> object:
    return nvcc.target(cuda._architecture(tasks.load(folder)))


def opened(folder: Path) -> object:
    """Whether the judge finds a vendor line."""
    with HarnessProcess(load_task(folder), folder=folder / "run", calibration_s=0.1) as harness:
        device: Device = harness.open()
        return device.vendor is not None


def judged(body: str) -> Callable[[Path], object]:
    """The status of a real verdict on a candidate that no cache has seen, and the words where no input decides them."""

    def see(folder: Path) -> object:
        source = f"#include <stdlib.h>\n{HEAD} {{ {body} }} // {uuid4().hex}\n"
        with HarnessProcess(load_task(folder), folder=folder / "run", calibration_s=0.1) as harness:
            verdict: Verdict = harness.submit(Candidate(source, Language.C), None).result()
        return verdict.status, "" if verdict.status is Status.INCORRECT else verdict.detail

    return see


WITHOUT_A_JUDGE = (shown, device_shown, admitted, errors, rehearsed, batches, mean, death, target)


# --- every setting --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """How a setting is changed, and where the change is seen."""

    change: tuple[Edit, ...]
    seen: Callable[[Path], object] = shown
    task: str = "small_matmul"
    before: tuple[Edit, ...] = ()
    """Made in the copy that the change is compared with, too."""


A = '{ name = "A", role = "input", dtype = "float32", shape = ["M", "K"] }'
SHOWN = (("hidden = true\n", ""),)
TWO_OUTPUTS = (
    ('    { name = "M", role', '    { name = "D", role = "output", dtype = "float32", shape = ["M", "N"] },\n'
     '    { name = "M", role'),
)  # fmt: skip
ELEMENTWISE = (('rule = "product"', 'rule = "elementwise"'),)
ON_A_CPU = (('device = "cuda"', 'device = "cpu"'), ('arch = "sm_90a"\n', ""),
            ('languages = ["cuda", "triton"]', 'languages = ["c"]'), ('skeleton.cu"', 'skeleton.c"'))  # fmt: skip

TAKES_400_MIB = "volatile char *all = malloc(400 << 20); for (int i = 0; i < 100; i++) all[i << 22] = 1;"

SETTINGS: dict[str, Setting] = {
    "title": Setting((('title = "64^3', 'title = "other 64^3'),)),
    "device": Setting(ON_A_CPU, device_shown, "small_gpu_matmul", (('unit = "bf16"', 'unit = "fp32"'),)),
    "arch": Setting((('arch = "sm_90a"', 'arch = "sm_100a"'),), target, "small_gpu_matmul"),
    "unit": Setting((('unit = "bf16"', 'unit = "fp16"'),), task="small_gpu_matmul"),
    "languages": Setting((('["cuda", "triton"]', '["cuda"]'),), task="small_gpu_matmul"),
    "skeleton": Setting((('skeleton = "skeleton.c"', 'skeleton = "vendor.c"'),)),
    "vendor": Setting((NO_VENDOR,), opened),
    "signature.entry": Setting((('entry = "matmul"', 'entry = "product"'),)),
    "signature.arguments.name": Setting((('name = "A"', 'name = "Z"'), ('left = "A"', 'left = "Z"'))),
    "signature.arguments.role": Setting(((A.replace("A", "D"), A.replace("A", "D").replace("input", "output")),),
                                        before=((A, f"{A},\n    {A.replace('A', 'D')}"),)),
    "signature.arguments.dtype": Setting(((A, A.replace("float32", "float64")),)),
    "signature.arguments.shape": Setting(((A, A.replace('"M", "K"', '"K", "M"')),)),
    "check.rule": Setting(ELEMENTWISE, errors),
    "check.left": Setting((('left = "A"', 'left = "B"'),), errors),
    "check.right": Setting((('right = "B"', 'right = "A"'),), errors),
    "check.output": Setting((('output = "C"', 'output = "D"'),), errors, before=TWO_OUTPUTS),
    "check.independent": Setting((('rule = "elementwise"', 'rule = "elementwise"\nindependent = "M"'),), rehearsed,
                                 before=ELEMENTWISE),
    "limits.source_bytes": Setting((("source_bytes = 65536", "source_bytes = 100"),), admitted),
    "limits.build_s": Setting((("build_s = 20", "build_s = 0.001"),), judged(""), before=(NO_VENDOR,)),
    "limits.call_s": Setting((("call_s = 2", "call_s = 1"),), judged("for (;;) {}"), before=(NO_VENDOR,)),
    "limits.timing_s": Setting((("timing_s = 0.3", "timing_s = 0.001"),), batches),
    "limits.memory_bytes": Setting((("memory_bytes = 268435456", "memory_bytes = 1073741824"),),
                                   judged(TAKES_400_MIB),
                                   before=(NO_VENDOR,)),
    "rules.forbidden": Setting((('"forbidden_word"', '"calloc"'),), admitted),
    "rules.text": Setting((('"One core."', '"Two cores."'),)),
    "cases.name": Setting((('name = "main"', 'name = "first"'),)),
    "cases.sizes": Setting((("M = 64,", "M = 65,"),)),
    "cases.data": Setting((('data = "small_integers"', 'data = "wide_range"'),), before=SHOWN * 2),
    "cases.timed": Setting((("timed = 2.0", "timed = 3.0"),), mean,
                           before=(*SHOWN, ('name = "odd"', 'name = "odd"\ntimed = 2.0'))),
    "cases.hidden": Setting(SHOWN),
    "cases.kind": Setting((("not a multiple of 8", "that are odd"),), death),
}  # fmt: skip


def keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every key of a table and of the tables in it."""
    for name, field in model.model_fields.items():
        inner = next(_models(field.annotation), None)
        yield from keys(inner, f"{before}{name}.") if inner else (f"{before}{name}",)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        yield from (annotation,) if issubclass(annotation, BaseModel) else ()
    for part in typing.get_args(annotation):
        yield from _models(part)


def test_the_table_has_every_key_of_the_schema_and_no_other():
    assert sorted(SETTINGS) == sorted(keys(TaskFile))


def edited(folder: Path, name: str, edits: tuple[Edit, ...]) -> Path:
    """A copy of a small task with pieces of its task.toml replaced."""
    shutil.copytree(TASKS / name, folder)
    (folder / "skeleton.c").write_text("void matmul(void) {}\n")
    text = (folder / "task.toml").read_text()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / "task.toml").write_text(text)
    benchmark = (folder / "benchmark.py").read_text()
    if edits[: len(TWO_OUTPUTS)] == TWO_OUTPUTS:
        benchmark = benchmark.replace('{"C": a @ b.T}', '{"C": a @ b.T, "D": 2 * a @ b.T}')
    (folder / "benchmark.py").write_text(benchmark)
    return folder


def marked(key: str) -> object:
    """The key, marked where a real judge is started."""
    return key if SETTINGS[key].seen in WITHOUT_A_JUDGE else pytest.param(key, marks=pytest.mark.judge)


@pytest.mark.parametrize("key", [marked(key) for key in SETTINGS])
def test_a_setting_that_is_changed_changes_what_happens(key, tmp_path):
    setting = SETTINGS[key]
    before = setting.seen(edited(tmp_path / "task", setting.task, setting.before))
    shutil.rmtree(tmp_path / "task")
    after = setting.seen(edited(tmp_path / "task", setting.task, (*setting.before, *setting.change)))
    assert before != after


@pytest.mark.parametrize("key", [key for key, setting in SETTINGS.items() if setting.seen in WITHOUT_A_JUDGE])
def test_an_unchanged_setting_shows_no_change(key, tmp_path):
    setting = SETTINGS[key]
    first = setting.seen(edited(tmp_path / "task", setting.task, setting.before))
    shutil.rmtree(tmp_path / "task")
    assert setting.seen(edited(tmp_path / "task", setting.task, setting.before)) == first
