"""Merge the verdicts of two requests on one candidate: `measure`, and `contend` for the place of the incumbent."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from kernelsmith.core.verdict import Verdict


def contended(measured: Verdict, contention: Verdict) -> Verdict:
    """Return the whole verdict on a candidate that was measured and has contended.

    Facts and batches come from the measurement; durations, notes and disturbances are those of both requests;
    everything else comes from the contention.
    """
    return replace(
        contention,
        facts=measured.facts,
        batches=measured.batches,
        durations_s=_sum(measured.durations_s, contention.durations_s),
        guards_s=_sum(measured.guards_s, contention.guards_s),
        notes=(*measured.notes, *contention.notes),
        disturbed=tuple(dict.fromkeys((*measured.disturbed, *contention.disturbed))),
    )


def _sum(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    total = Counter(first)
    total.update(second)
    return dict(total)
