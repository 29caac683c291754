"""C[M,N] = A[M,K] B[N,K]ᵀ in bf16, summed in fp32: what is computed, how its work is counted, how exact it must be.

Shown to the proposer as it stands and executed by the judge: there is no second definition of the task.
"""


def reference(inputs, xp):
    """The right answer in float32, before it is rounded to bf16; inputs arrive as float32 arrays of bf16 values."""
    return {"C": inputs["A"] @ inputs["B"].T}


def flops(case):
    """A multiplication and an addition for every term of every dot product."""
    return 2 * case["M"] * case["N"] * case["K"]


def bytes(case):
    """Each operand moved once: A, B and C, 2 bytes an element."""
    return 2 * (case["M"] * case["K"] + case["N"] * case["K"] + case["M"] * case["N"])


def tolerance(case):
    """Largest error of one element, and rms of all, in units of |a_i| |b_j|, the lengths of the two rows.

    As in tasks/hopper_bf16_matmul: one rounding to bf16 is an error of 1.65e-3 standard deviations rms. It hides most
    of what lower precision inside adds, so elements are compared with the correctly rounded result too: fp32
    accumulation in any order misses it in less than 1 %, coarser sums in 4 % or more at these depths.
    """
    deviation = case["K"] ** -0.5
    return {"max_element": 2.0**-5 * deviation, "rms": 1.3 * 1.65e-3 * deviation, "mismatch": 0.02}
