"""C = A Bᵀ."""


def reference(inputs, xp):
    """In float32."""
    return {"C": inputs["A"] @ inputs["B"].T}


def flops(case):
    """Multiplications and additions."""
    return 2 * case["M"] * case["N"] * case["K"]


def bytes(case):
    """Each operand moved once."""
    return 2 * (case["M"] * case["K"] + case["N"] * case["K"] + case["M"] * case["N"])


def tolerance(case):
    """Rounding to bf16, and half as much again."""
    element = case["K"] ** -0.5
    return {"max_element": 0.03 * element, "rms": 2.5e-3 * element, "mismatch": 0.02}
