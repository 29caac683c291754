"""Merge the verdicts of two requests on one candidate: `measure` (build, check and time it), and `contend` (compare it
with the best kernel of the run).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from kernelsmith.core.verdict import Verdict


def contended(measured: Verdict, contention: Verdict) -> Verdict:
    """Return one verdict from two on the same candidate: `measured` answers the request `measure`, `contention` the
    request `contend`. Facts and batches come from `measured`; status, score and promotion from `contention`; the
    seconds of each stage are added, and the notes and the lists of disturbed figures are joined. The arguments stay
    unchanged.
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
