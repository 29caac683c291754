"""C[M,N] = A[M,K] B[N,K]ᵀ, e4m3 in, bf16 out: what is computed, how its work is counted, how exact it must be.

Shown to the proposer as it stands and executed by the judge: there is no second definition of the task.
"""


def reference(inputs, xp):
    """The right answer in float32, from inputs that were decoded to float32; C is it, rounded to bf16."""
    return {"C": inputs["A"] @ inputs["B"].T}


def flops(case):
    """A multiplication and an addition for every term of every dot product."""
    return 2 * case["M"] * case["N"] * case["K"]


def bytes(case):
    """Each operand moved once: A and B at 1 byte an element, C at 2."""
    return case["M"] * case["K"] + case["N"] * case["K"] + 2 * case["M"] * case["N"]


def tolerance(case):
    """Largest error of one element, and rms of all, in units of |a_i| |b_j|, the lengths of the two rows.

    A typical element is |a_i| |b_j| / sqrt(K). Relative to that, rounding to bf16 gives 1.65e-3 rms, and the tensor
    cores' fast accumulation, which truncates every step of 32 terms, adds 1.8e-3 at K = 4096 and 2.5e-3 at K = 8192:
    it grows with sqrt(K). Together 2.4e-3 and 3.0e-3, measured with cuBLASLt on an H100; 1.1 times that is allowed.
    An element of 6 standard deviations is rounded by up to 1/64 of one, and truncation errs with the size of the sum,
    so single elements may be off by a tenth. One term left out of 100 shows in both.
    """
    rounding, truncation = 1.65e-3, 2.5e-3 * (case["K"] / 8192) ** 0.5
    typical = case["K"] ** -0.5
    return {
        "max_element": 0.1 * typical,
        "rms": 1.1 * (rounding**2 + truncation**2) ** 0.5 * typical,
        "coarse": 0.32,
    }
