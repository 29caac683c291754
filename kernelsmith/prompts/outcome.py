"""Describes the outcome of an attempt in words for a prompt: as one row of a table, or in full."""

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.verdict import Facts, Status, Verdict
from kernelsmith.prompts.clean import clip, one_line, quoted

ROW_DETAIL_CHARS = 90
ROW_HYPOTHESIS_CHARS = 110


def row(attempt: Attempt) -> str:
    """Return an attempt as one line with number, parent, stance (kind of step), status, result and hypothesis,
    separated by ` | `. For example `12 | from 9 | refine | passed | 61.30% of peak, promoted | wider tiles`. For an
    attempt that did not pass, the result is the beginning of its verdict's detail.
    """
    parent = "from scratch" if attempt.proposal.parent is None else f"from {attempt.proposal.parent}"
    detail = one_line(attempt.verdict.detail, ROW_DETAIL_CHARS)
    result = result_of(attempt.verdict) if attempt.verdict.passed else detail
    cells = [str(attempt.number), parent, attempt.stance.value, attempt.verdict.status.value, result]
    cells.append(one_line(attempt.proposal.hypothesis, ROW_HYPOTHESIS_CHARS))
    return " | ".join(cell.replace("|", "/") for cell in cells)


def result_of(verdict: Verdict) -> str:
    """Return in one string a passed kernel's utilization, its duel (direct timing comparison with the best kernel) and
    whether it became the best, for example `61.30% of peak, duel 1.250x (1.200 to 1.300), promoted`. Return the status,
    such as `crashed`, for a kernel that did not pass.
    """
    measured, duel = verdict.measurement, verdict.duel
    if measured is None:
        return verdict.status.value
    parts = [f"{measured.utilization:.2%} of peak"]
    if duel:
        parts.append(f"duel {duel.speedup:.3f}x ({duel.interval.low:.3f} to {duel.interval.high:.3f})")
    parts.append("promoted" if verdict.promotion else "not promoted")
    return ", ".join(parts)


def details(attempt: Attempt, limit: int) -> str:
    """Return an attempt's verdict as one text of several lines: status, measurements, build facts, compiler warnings,
    notes and the reason. It is cut to about `limit` tokens, and marks around it show a model where data from outside
    begins and ends.
    """
    verdict = attempt.verdict
    lines = [f"{verdict.status.value}: {result_of(verdict)}" if verdict.passed else verdict.status.value]
    if measured := verdict.measurement:
        lines.append(f"{measured.time_us:.1f} us a call")
        if measured.vendor_ratio is not None:
            lines.append(f"{measured.vendor_ratio:.1%} of the vendor library's speed")
    lines += [line for line in (facts_line(verdict.facts),) if line]
    lines += [*verdict.facts.warnings, *verdict.notes, *([verdict.detail] if verdict.detail else [])]
    return quoted(clip("\n".join(lines), limit), f"verdict on attempt {attempt.number}")


def facts_line(facts: Facts) -> str:
    """Return on one line the known facts of a build, such as registers and the machine instructions of each class;
    empty if none is known. For example `registers 128, vector_bits 256; instructions: fma 96, spill_store 3`.
    """
    names = ("registers", "spill_bytes", "stack_bytes", "shared_bytes", "occupancy", "text_bytes", "vector_bits")
    known = ", ".join(f"{name} {value}" for name in names if (value := getattr(facts, name)) is not None)
    counted = ", ".join(f"{name} {count}" for name, count in facts.instructions.items())
    return "; ".join(part for part in (known, counted and f"instructions: {counted}") if part)


def failed(attempt: Attempt) -> bool:
    """Return True if the attempt has a candidate that did not pass its checks. Return False if the candidate passed, or
    if there is none because the reply of the model held no source.
    """
    return not attempt.verdict.passed and attempt.verdict.status is not Status.NO_CANDIDATE
