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
    one element of 65,536, for K from 16 to 4096; inputs that lost 8 bits of mantissa give 4.8 * 2**-24 rms at K = 1024,
    TF32 inputs 150, fp16 accumulation 2,500 (docs/experiments.md).
    """
    unit = 2.0**-24
    return {"max_element": 10 * unit, "rms": unit}
