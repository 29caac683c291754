"""Y = X / sqrt(mean(X²) + eps) W, row by row, bf16 in and out: what is computed, its work, how exact it must be.

Shown to the proposer as it stands and executed by the judge: there is no second definition of the task.
"""

EPSILON = 1e-6


def reference(inputs, xp):
    """The right answer in float32, from inputs that were decoded to float32; Y is it, rounded to bf16."""
    x, weight = inputs["X"], inputs["W"]
    mean = xp.mean(x * x, axis=1, keepdims=True, dtype=xp.float32)
    return {"Y": x / xp.sqrt(mean + xp.float32(EPSILON)) * weight}


def flops(case):
    """Squares, sums and two products: four operations an element."""
    return 4 * case["ROWS"] * case["COLS"]


def bytes(case):
    """X read once, Y written once, W read once: 2 bytes an element."""
    return 2 * (2 * case["ROWS"] * case["COLS"] + case["COLS"])


def tolerance(case):
    """Largest error of one element and rms of all, in units of |y| plus the rms of Y, and how many may be misrounded.

    Rounding to bf16 errs by up to 2**-8 |y|, and by 1.65e-3 |y| rms. Computed in fp32, about one element in 10,000
    falls to the other side of a rounding boundary; a second rounding to bf16 on the way makes it one in three. Measured
    by this rule, emulated in numpy (benchmarks/precision.py, 192 rows of 8,192): elements that are misrounded

        fp32 in any order, exact or approximate root 0.00 to 0.01 %
        fp16 sum of squares 2.6 % · bf16 sum of squares 21 % · rounded to bf16 before W 27 %
        eps left out 39 % (rows of small magnitude, a hidden case) · last 512 of 8,192 left out of the sum 100 %

    Not told from honest work: squares in fp16 that are summed in fp32, for their errors cancel.
    """
    return {"max_element": 2.0**-8, "rms": 1.65e-3, "mismatch": 0.005}
