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
    """Largest error of one element and rms of all, in units of |a_i| |b_j|, the lengths of two rows; and how many small
    elements may end in two zero bits.

    A typical element is |a_i| |b_j| / sqrt(K). Relative to that, rounding to bf16 gives 1.65e-3 rms, and the tensor
    cores' fast accumulation, which truncates every step of 32 terms, adds 1.8e-3 at K = 4096 and 2.5e-3 at K = 8192:
    it grows with sqrt(K). Together 2.4e-3 and 3.0e-3, measured with cuBLASLt on an H100; 1.1 times that is allowed.
    An element of 6 standard deviations is rounded by up to 1/64 of one, and truncation errs with the size of the sum,
    so single elements may be off by a tenth. One term left out of 100 shows in both.

    Parts in bf16 are no less exact than fast accumulation, but where two of them cancel, what is left ends in zeros:
    of elements between 1/64 and 1/16 of a typical one, a quarter ends in two zero bits in any honest sum. Both are
    looked at in all elements of the correctness calls; in every timed batch the rms is, and a secret sample of 128 x
    1024 elements. Measured by this rule, emulated in numpy (benchmarks/precision.py, 192 x 192 elements, K = 8192):
    rms as a multiple of what is allowed, and small elements that end in zeros:

        fast accumulation 0.80, 27 % · in 2 fp32 parts 0.65, 29 % · promoted to fp32 every 64 terms 0.50, 25 %
        fp16 accumulation 1.09, 30 % · 2 parts in bf16 0.85, 88 % · 8 parts in bf16 0.73, 43 %
        4 parts and their total in bf16 0.99, 87 % · 1 of 3 mantissa bits dropped 33, 27 % · one slice in 64 skipped 38

    fp16 accumulation shows from K = 4096 on. Not told from honest sums: 16 and more parts in bf16, and fp16 sums of
    few terms that are added in fp32, both of which are more exact than fast accumulation.
    """
    rounding, truncation = 1.65e-3, 2.5e-3 * (case["K"] / 8192) ** 0.5
    typical = case["K"] ** -0.5
    return {
        "max_element": 0.1 * typical,
        "rms": 1.1 * (rounding**2 + truncation**2) ** 0.5 * typical,
        "coarse": 0.33,
    }
