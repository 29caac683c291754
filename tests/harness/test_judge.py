"""The judge, with real compilers and real workers: every status, and what its detail says.

What stages and policies decide is tested in tests/judging, on a scripted device.
"""

import dataclasses
from collections.abc import Callable

import pytest

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import Opponent
from kernelsmith.core.verdict import Duel, Interval, Promotion, Status, Verdict
from kernelsmith.errors import UsageError

Write = Callable[..., str]


def slower(verdict: Verdict, factor: float) -> Verdict:
    """The same verdict with a slower score, so that whoever comes next is a contender whatever the noise."""
    found = verdict.measurement
    assert found is not None
    interval = Interval(found.interval_us.low * factor, found.interval_us.high * factor)
    return dataclasses.replace(
        verdict, measurement=dataclasses.replace(found, time_us=found.time_us * factor, interval_us=interval)
    )


def opponent_of(source: str, verdict: Verdict) -> Opponent:
    """What a contender must beat after this verdict."""
    assert verdict.measurement is not None
    fastest_us = min(batch.time_us for batch in verdict.batches)
    return Opponent(Candidate(source, Language.C), verdict.measurement.time_us, fastest_us)


@pytest.fixture(scope="module")
def honest(harness, matmul_with: Write) -> Verdict:
    """The verdict on an honest kernel."""
    verdict: Verdict = harness.evaluate(matmul_with("honest;"))
    return verdict


def test_an_honest_kernel_passes_with_every_denominator(harness, honest: Verdict) -> None:
    assert honest.status is Status.PASSED
    assert honest.promotion is Promotion.FIRST
    found = honest.measurement
    assert found is not None
    assert found.interval_us.low <= found.time_us <= found.interval_us.high
    assert found.utilization == pytest.approx(2 * 64**3 / (found.time_us * 1e-6) / found.peak)
    assert found.rate == pytest.approx(found.utilization * found.peak)
    assert found.peak == harness.device.peak
    assert len(honest.batches) >= 3
    assert len({batch.key for batch in honest.batches}) == len(honest.batches)
    assert {"build", "correctness", "timing"} <= set(honest.durations_s)
    assert honest.isolation == harness.device.isolation


def test_a_verdict_tells_what_the_guards_took(honest: Verdict) -> None:
    assert {"sandbox", "poison", "checksums", "samples", "verification", "resident work"} <= set(honest.guards_s)
    assert 0 < sum(honest.guards_s.values()) < sum(honest.durations_s.values())


def test_the_vendor_line_stands_beside_a_promoted_kernel(harness, honest: Verdict) -> None:
    assert harness.device.vendor is not None
    assert harness.device.vendor.name.startswith("OpenBLAS (")
    assert honest.measurement is not None
    assert honest.measurement.vendor_paired
    assert 0 < honest.measurement.vendor_ratio < 1, "three plain loops are slower than a BLAS"


def test_two_judgements_of_one_kernel_use_different_inputs(harness, honest: Verdict, matmul_with: Write) -> None:
    again = harness.evaluate(matmul_with("honest;"))
    assert not {batch.key for batch in honest.batches} & {batch.key for batch in again.batches}


def test_a_verdict_cannot_pass_without_a_measurement(honest: Verdict) -> None:
    with pytest.raises(ValueError, match="verdict with measurement"):
        dataclasses.replace(honest, measurement=None)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("__builtin_trap();", Status.CRASHED, "SIGILL"),
        ("abort();", Status.CRASHED, "SIGABRT"),
        ("*(volatile int *)0 = 1;", Status.CRASHED, "SIGSEGV"),
        ("_exit(0);", Status.CRASHED, "exited with 0"),
        ("_exit(7);", Status.CRASHED, "exited with 7"),
        ("for (;;) {}", Status.TIMED_OUT, "deadline"),
        ("C[0] = 1;", Status.INCORRECT, "elements hold the NaN that outputs arrive filled with"),
        ("honest; C[5] += 1;", Status.INCORRECT, "C[0,5]"),
        ("honest; C[M * N] = 0;", Status.INCORRECT, "wrote outside the outputs"),
        ("honest; C[-1] = 0;", Status.INCORRECT, "wrote outside the outputs"),
        ("honest; if (M != 64) C[0] = 7;", Status.INCORRECT, "wrong in a hidden case: sizes not a multiple of 8"),
        ("honest; if (M != 64) abort();", Status.CRASHED, "in a hidden case: sizes not a multiple of 8"),
        ("this is not C", Status.BUILD_FAILED, "error"),
        ("no_such_function(A);", Status.BUILD_FAILED, "no_such_function"),
        ("honest; /* forbidden_word */", Status.REJECTED, "forbidden"),
    ],
)
def test_every_end_of_a_candidate_has_a_status(harness, matmul_with: Write, body, status, said) -> None:
    verdict = harness.evaluate(matmul_with(body, before="#include <stdlib.h>\n#include <unistd.h>"))
    assert verdict.status is status, verdict.detail
    assert said in verdict.detail
    assert verdict.measurement is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("int main(void) { return 0; }", "entry point is missing"),
        ("void matmul(", "error"),
        ("", "entry point is missing"),
        ("// matmul()\n" + "x" * 70_000, "bytes of source"),
        ("void matmul(\0)", "NUL byte"),
    ],
)
def test_what_cannot_be_a_candidate_is_refused_or_does_not_build(harness, source, said) -> None:
    verdict = harness.evaluate(source)
    assert verdict.status in (Status.REJECTED, Status.BUILD_FAILED)
    assert said in verdict.detail


def test_a_crash_at_load_is_told_apart_from_a_crash_in_a_call(harness, matmul_with: Write) -> None:
    before = "#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { abort(); }"
    verdict = harness.evaluate(matmul_with("honest;", before=before))
    assert verdict.status is Status.CRASHED
    assert "while it was loaded" in verdict.detail


def test_the_pattern_of_wrong_elements_is_named(harness, matmul_with: Write) -> None:
    verdict = harness.evaluate(matmul_with("honest; for (int j = 0; j < N; j++) C[(M - 1) * N + j] = 0;"))
    assert "row 63 of 64" in verdict.detail


def test_a_wrong_timed_call_is_reproduced_from_its_key(harness, matmul_with: Write) -> None:
    source = matmul_with("static int calls; honest; if (calls++ > 4) C[3] = 0;")
    verdict = harness.evaluate(source)
    assert verdict.status is Status.INCORRECT
    inputs = verdict.detail.split("[inputs ")[1].rstrip("]")
    always_wrong = matmul_with("honest; C[3] = 0;")
    assert harness.process.reproduce(Candidate(always_wrong, Language.C), inputs)[0] is False
    assert harness.process.reproduce(Candidate(matmul_with("honest;"), Language.C), inputs)[0] is True


def test_inputs_that_are_no_key_are_the_users_fault(harness, matmul_with: Write) -> None:
    with pytest.raises(UsageError, match="CASE:CALLS:KEY"):
        harness.process.reproduce(Candidate(matmul_with("honest;"), Language.C), "main:zero")


def test_a_duel_names_the_interval_of_its_speedup(harness, matmul_with: Write) -> None:
    quick = Candidate(matmul_with("honest;"), Language.C)
    slow = Candidate(
        matmul_with('for (int r = 0; r < 3; r++) { honest; __asm__ volatile("" ::: "memory"); }'), Language.C
    )
    duel = harness.process.duel(quick, slow)
    assert isinstance(duel, Duel)
    assert 0 < duel.interval.low <= duel.speedup <= duel.interval.high
    assert 0 < duel.quads <= 24


def test_a_candidate_that_is_quick_in_company_only_is_scored_by_its_single_calls(harness, matmul_with: Write) -> None:
    again = '{ honest; __asm__ volatile("" ::: "memory"); }'
    steady = matmul_with(f"for (int r = 0; r < 6; r++) {again}")
    incumbent = opponent_of(steady, harness.evaluate(steady))
    sociable = matmul_with(
        f"int rounds = now_us() - last_us > 50 ? 12 : 1; for (int r = 0; r < rounds; r++) {again} last_us = now_us();",
        before="#include <time.h>\nstatic long last_us; static long now_us(void) { struct timespec now; "
        "clock_gettime(CLOCK_MONOTONIC, &now); return now.tv_sec * 1000000 + now.tv_nsec / 1000; }",
    )
    verdict = harness.process.submit(Candidate(sociable, Language.C), incumbent).result()
    assert any("scored by its single calls" in note for note in verdict.notes), verdict.notes


def test_an_incumbent_that_dies_in_the_duel_loses_it(harness, honest: Verdict, matmul_with: Write) -> None:
    contender = Candidate(matmul_with("honest; /* contender */"), Language.C)
    flaky = matmul_with("honest; static int calls; if (++calls > 4) abort();", before="#include <stdlib.h>")
    # A fastest batch of 1 us: no contender is so clearly faster that it needs no duel, whatever the noise.
    opponent = dataclasses.replace(opponent_of(flaky, slower(honest, 50)), fastest_us=1.0)
    verdict = harness.process.submit(contender, opponent).result()
    assert verdict.promotion is Promotion.DUEL
    assert any("incumbent failed" in note for note in verdict.notes)


SPIN = """
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static void spin(double seconds)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    do
        clock_gettime(CLOCK_MONOTONIC, &b);
    while ((b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec) < seconds);
}
"""


def test_a_hidden_case_cannot_be_spelled_out_in_how_the_candidate_ends(harness, matmul_with: Write) -> None:
    details = {
        harness.evaluate(matmul_with(f"if (M != 64) {end}; honest;", before=SPIN)).detail
        for end in ("_exit(M)", "_exit(7)", "abort()")
    }
    assert len(details) == 1
    assert "ended in a hidden case" in details.pop()


def test_a_duel_with_a_candidate_that_dies_while_it_is_loaded_is_a_verdict(harness, matmul_with: Write) -> None:
    dies = matmul_with("honest;", before=SPIN + "__attribute__((constructor)) static void end(void) { _exit(3); }")
    good = Candidate(matmul_with("honest;"), Language.C)
    ended = harness.process.duel(Candidate(dies, Language.C), good)
    assert isinstance(ended, Verdict)
    assert (ended.status, ended.detail) == (Status.CRASHED, "A: exited with 3 while it was loaded")
    assert harness.evaluate(matmul_with("honest;")).status is Status.PASSED


def test_a_verdict_tells_that_something_else_ran_on_the_candidates_core(harness, matmul_with: Write, busy) -> None:
    if harness.device.worker_core is None:
        pytest.skip("one core: judge and worker share it")
    with busy(harness.device.worker_core):
        verdicts = (harness.evaluate(matmul_with("honest;", before=f"/* {n} */")) for n in range(3))
        # One judgement may be too short for the kernel's ticks of 10 ms to tell.
        assert any("disturbed" in note for verdict in verdicts for note in verdict.notes)
