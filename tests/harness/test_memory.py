"""The memory of a CPU and of a scripted device: filling, sampling, examining outputs, and sealing inputs."""

import mmap
import os

import numpy as np
import pytest
from scripted_judge import SMALL

from harness import task as tasks
from harness.checking import inputs
from harness.memory import OutputCheck
from harness.memory.cpu import CpuMemory
from harness.memory.layout import lay_out
from harness.memory.scripted import BatchOutcome, ScriptedMemory
from harness.memory.sealed import SealedMemory

TASK = tasks.load(SMALL)
MAIN = TASK.timed[0]
SETS = range(2)
POISON = 0x7FC0FFEE


@pytest.fixture
def memory():
    layout = lay_out(TASK, MAIN, sets=len(SETS))
    return CpuMemory(input_bytes=layout.input_bytes, output_bytes=layout.output_bytes)


def write_outputs(memory: CpuMemory, *, factor: float = 1.0) -> None:
    """Write the outputs of every set, as a worker at slot 0 would, times a factor."""
    operands = memory.operands(TASK, MAIN, sets=len(SETS))
    for index in SETS:
        (output,) = (buffer for buffer in TASK.buffers if buffer.is_output)
        made = operands._views(index, memory.outputs[0], outputs=True)
        made[output.name][...] = factor * TASK.reference(operands._inputs(index))[output.name]


def test_the_same_key_fills_the_same_inputs_and_another_key_different_ones(memory) -> None:
    operands = memory.operands(TASK, MAIN, sets=len(SETS))
    filled = []
    for key in (inputs.fresh_key(), inputs.fresh_key()):
        for _ in range(2):
            operands.fill(SETS, key)
            filled.append(memory.inputs.bytes.copy())
    assert np.array_equal(filled[0], filled[1])
    assert not np.array_equal(filled[1], filled[2])


def test_kept_inputs_are_written_again(memory) -> None:
    operands, key = memory.operands(TASK, MAIN, sets=len(SETS)), inputs.fresh_key()
    operands.fill(SETS, key)
    before, restore = memory.inputs.bytes.copy(), operands.keep(SETS, key)
    memory.inputs.bytes[...] = 0
    restore()
    assert np.array_equal(memory.inputs.bytes, before)


@pytest.mark.parametrize(("factor", "is_wrong"), [(1.0, False), (1.01, True)])
@pytest.mark.parametrize("full", [False, True])
def test_examine_finds_wrong_outputs_and_accepts_right_ones(memory, factor, is_wrong, full) -> None:
    operands = memory.operands(TASK, MAIN, sets=len(SETS))
    operands.fill(SETS, inputs.fresh_key())
    write_outputs(memory, factor=factor)
    check = OutputCheck(0, POISON, np.random.default_rng(0), full=full)
    assert (operands.examine(SETS, check) is not None) is is_wrong


def test_late_samples_and_bytes_outside_the_outputs_are_counted(memory) -> None:
    region = memory.operands(TASK, MAIN, sets=len(SETS)).region(SETS, slot=0)
    region.poison(POISON)
    region.choose_samples(np.random.default_rng(0), at_least=8)
    region.read_samples()
    assert region.late_samples() == (0, 8)
    assert region.overrun(POISON) == 0
    memory.outputs[0].bytes[...] = 0
    late, of = region.late_samples()
    assert late == of
    assert region.overrun(POISON) >= 2 * 4096


def test_sealed_inputs_can_only_be_mapped_read_only() -> None:
    sealed = SealedMemory("inputs", 4096, read_only_elsewhere=True)
    mmap.mmap(sealed.fd, 4096, prot=mmap.PROT_READ).close()
    with pytest.raises(PermissionError):
        mmap.mmap(sealed.fd, 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(sealed.fd, 0)
    sealed.close()


def test_scripted_memory_reports_the_outcome_of_each_slot() -> None:
    passed: list[float] = []
    memory = ScriptedMemory(passed.append, set_s=0.5)
    operands = memory.operands(TASK, MAIN, sets=len(SETS))
    operands.fill(SETS, "0" * 32)
    assert passed == [1.0]
    memory.record_outcome(1, BatchOutcome(mistake="C[0,0] is 1", late_samples=2))
    rng = np.random.default_rng(0)
    assert operands.examine(SETS, OutputCheck(0, POISON, rng)) is None
    assert operands.examine(SETS, OutputCheck(1, POISON, rng)) is not None
    region = operands.region(SETS, slot=1)
    region.choose_samples(rng, at_least=8)
    assert region.late_samples() == (2, 8)
    region.poison(POISON)
    assert region.late_samples() == (0, 8)
