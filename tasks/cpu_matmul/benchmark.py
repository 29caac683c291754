"""C[M,N] = A[M,K] B[N,K]ᵀ in fp32: what is computed, how its work is counted, how exact it must be.

Shown to the proposer as it stands and executed by the judge: there is no second definition of the task.
"""


def reference(inputs, xp):
    """The right answer, in float64."""
    a, b = inputs["A"].astype(xp.float64), inputs["B"].astype(xp.float64)
    return {"C": a @ b.T}


def flops(case):
    """A multiplication and an addition for every term of every dot product."""
    return 2 * case["M"] * case["N"] * case["K"]


def bytes(case):
    """Each operand moved once: A, B and C, 4 bytes an element."""
    return 4 * (case["M"] * case["K"] + case["N"] * case["K"] + case["M"] * case["N"])


def tolerance(case):
    """Largest error of one element, and rms of all, in units of |a_i| |b_j|, the lengths of the two rows.

    Summed in any order in fp32, terms of both signs give errors of 0.1 to 0.35 * 2**-24 rms and up to 4 * 2**-24 in
    one element of 65,536, for K from 16 to 4096 (docs/experiments.md). Timed calls are held against the same rms, by
    the residuals of a product check. Measured by this rule, emulated in numpy (benchmarks/precision.py, 192 x 192
    elements, K = 1024), as multiples of the rms that is allowed:

        one after the other 0.30 · split along K 0.15 · tile by tile 0.09 · pairwise 0.05
        5 of 23 mantissa bits dropped 1.6 · 6 bits 3.1 · 8 bits 13 · TF32 inputs 404 · bf16 inputs 3,240
        fp16 accumulation 629 · bf16 parts 868 · fp8 inside 19,760 · one slice of K in 64 skipped 64,300

    4 dropped bits pass at K = 1024 (0.8), and not in the shortest hidden cases (1.9 at K = 160); fewer always pass.
    """
    unit = 2.0**-24
    return {"max_element": 10 * unit, "rms": unit}
