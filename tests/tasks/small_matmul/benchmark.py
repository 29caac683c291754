"""C[M,N] = A[M,K] B[N,K]ᵀ in fp32: what is computed, how its work is counted, how exact it must be.

Shown to the proposer as it stands and executed by the judge: there is no second definition of the task.
"""

import math


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
    """Largest error of one element, and of all together, in units of |a_i| |b_j|, the length of the two rows.

    fp32 rounding errors of a K-term sum, in whatever order, stay below 2**-24 * sqrt(K) of that scale by a factor of
    about ten; accumulating in fp16 or bf16, or dropping mantissa bits, lies orders of magnitude above.
    """
    unit = 2.0**-24 * math.sqrt(case["K"])
    return {"max_element": 4 * unit, "rms": 1 * unit}
