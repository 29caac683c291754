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

    In that unit an element of C has a standard deviation of 1 / sqrt(K). Rounding it to bf16 once is an error of
    1.65e-3 of it rms (measured; 1.3 times that is allowed), and of at most 2**-6 of it where the element is 4 to 8
    standard deviations large. Both move little when sums are kept in fp16, so elements are also compared with the
    correctly rounded result: fp32 accumulation in any order differs from it in 0.02 to 0.5 % of them, fp16
    accumulation in 14 to 36 %, bf16 partial sums in 37 to 50 %, fp8 inputs in 95 % (measured on an H100).
    """
    deviation = case["K"] ** -0.5
    return {"max_element": 2.0**-5 * deviation, "rms": 1.3 * 1.65e-3 * deviation, "mismatch": 0.02}
