"""Lists, for each task, honest ways to compute it, which must pass, and cheats with cheaper arithmetic, which must not.

A way is emulated in numpy, or computed by a kernel in kernels/, or both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import arithmetic as how
from arithmetic import Product
from harness.checking.rounding import Values

Compute = Callable[..., Values]
"""Takes the task's inputs in the order of its signature; returns the output before it is rounded to its type."""
Switches = Mapping[str, int | float | str]
"""Constants of the task's kernel in kernels/, by name, with the values that make it compute in this way."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compute a task."""

    name: str
    compute: Compute | None = None
    """None if numpy cannot emulate it."""
    switches: Switches | None = None
    """None if no kernel computes it."""
    case: str = "main"
    """The name of the case on which it is judged."""
    is_honest: bool = False


def _honest(name: str, compute: Compute | None, switches: Switches | None = None) -> Variant:
    return Variant(name, compute, switches, is_honest=True)


def _cheat(name: str, compute: Compute | None, switches: Switches | None = None, *, case: str = "main") -> Variant:
    return Variant(name, compute, switches, case, is_honest=False)


_ORDERS: tuple[tuple[str, Product, Switches | None], ...] = (
    ("one after the other", how.sequential, None),
    ("the last first", how.reversed_order, {"REVERSED": 1}),
    ("pairwise", how.pairwise, None),
    ("tile by tile", how.by_tiles, None),
    ("split along K, fp32 parts", how.split_k, {"PARTS": 4}),
)

CPU_MATMUL = (
    *(_honest(name, compute) for name, compute, _ in _ORDERS),
    _cheat("fp16 accumulation", how.fp16_accumulation),
    _cheat("split along K, 2 bf16 parts", how.bf16_partials(2)),
    _cheat("fp8 inside", how.fp8_inputs),
    *(_cheat(f"{bits} of 23 mantissa bits dropped", how.dropped_bits(bits, of=23)) for bits in (16, 13, 8, 6, 5)),
    _cheat("1 of 64 slices skipped", how.skipped_slice()),
)

BF16_MATMUL = (
    _honest("as the tensor cores add", None, {}),
    *(_honest(name, compute, switches) for name, compute, switches in _ORDERS),
    _cheat("fp16 accumulation", how.fp16_accumulation, {"FP16_SUMS": 1}),
    _cheat("split along K, 2 bf16 parts", how.bf16_partials(2), {"PARTS": 2, "BF16_PARTS": 1}),
    _cheat("split along K, 8 bf16 parts", how.bf16_partials(8), {"PARTS": 8, "BF16_PARTS": 1}),
    _cheat("fp8 inside", how.fp8_inputs, {"FP8_INPUTS": 1}),
    _cheat("1 of 7 mantissa bits dropped", how.dropped_bits(1, of=7), {"DROPPED_BITS": 1}),
    _cheat("1 of 64 slices skipped", how.skipped_slice(), {"SKIPPED": 1}),
    _cheat("fp16 accumulation after 16 calls", None, {"FP16_SUMS": 1, "LATER": 16}),
    _cheat("2 bf16 parts after 16 calls", None, {"PARTS": 2, "BF16_PARTS": 1, "LATER": 16}),
)

_fast = how.fast_accumulation
FP8_MATMUL = (
    _honest("fast accumulation", _fast, {}),
    _honest("fast accumulation, 2 fp32 parts", how.fast_accumulation_by_parts, {"PARTS": 2}),
    _honest("promoted to fp32 every 64 terms", how.by_tiles, {"PROMOTED": 64}),
    _honest("one after the other", how.sequential),
    _honest("pairwise", how.pairwise),
    _cheat("fp16 accumulation", how.fp16_fast_accumulation, {"FP16_SUMS": 1}),
    _cheat("2 bf16 parts", how.bf16_partials(2, _fast), {"PARTS": 2, "BF16_PARTS": 1}),
    _cheat("8 bf16 parts", how.bf16_partials(8, _fast), {"PARTS": 8, "BF16_PARTS": 1}),
    _cheat("4 bf16 parts, bf16 total", how.bf16_running_sum(4, _fast), {"PARTS": 4, "BF16_PARTS": 1, "BF16_TOTAL": 1}),
    _cheat("1 of 3 mantissa bits dropped", how.dropped_bits(1, of=3, product=_fast), {"DROPPED_BITS": 1}),
    _cheat("1 of 64 slices skipped", how.skipped_slice(_fast), {"SKIPPED": 1}),
    _cheat("fp16 accumulation after 16 calls", None, {"FP16_SUMS": 1, "LATER": 16}),
)

_norm = how.normalized
RMSNORM = (
    _honest("approximate root", partial(_norm, root_error=2.0**-22), {}),
    _honest("exact root", _norm, {"APPROXIMATE": 0}),
    _honest("squares from the last on", partial(_norm, order=lambda squares: squares[..., ::-1])),
    _cheat("fp16 sum of squares", partial(_norm, sum_type="float16"), {"SUM": "float16"}),
    _cheat("bf16 sum of squares", partial(_norm, sum_type="bfloat16"), {"SUM": "bfloat16"}),
    _cheat("rounded to bf16 before W", partial(_norm, scaled_type="bfloat16"), {"SCALED": "bfloat16"}),
    _cheat("eps left out", partial(_norm, epsilon=0.0), {"EPSILON": 0.0}, case="wide"),
    _cheat("last block left out of the sum", partial(_norm, skipped=how.LANES), {"SKIPPED": 1}),
    _cheat("bf16 sum after 16 calls", None, {"SUM": "bfloat16", "LATER": 16}),
)

_soft = how.softmaxed
_taylor = how.taylor_exponential
SOFTMAX = (
    _honest("one after the other", _soft),
    _honest("in 8 lanes", partial(_soft, lanes=8)),
    _honest("Taylor polynomial of degree 6", partial(_soft, exponential=_taylor(6), lanes=8)),
    _honest("Taylor polynomial of degree 5", partial(_soft, exponential=_taylor(5), lanes=8)),
    _cheat("Taylor polynomial of degree 4", partial(_soft, exponential=_taylor(4), lanes=8)),
    _cheat("Taylor polynomial of degree 3", partial(_soft, exponential=_taylor(3), lanes=8)),
    _cheat("fp16 exponentials", partial(_soft, exponential=how.narrow_exponential("float16"))),
    _cheat("bf16 exponentials", partial(_soft, exponential=how.narrow_exponential("bfloat16"))),
    _cheat("fp16 result", partial(_soft, result_type="float16")),
    *(_cheat(f"{bits} of 23 mantissa bits dropped", partial(_soft, lanes=8, dropped=bits)) for bits in (10, 8, 7)),
    _cheat("last 64 terms left out of the sum", partial(_soft, skipped=64)),
    _cheat("largest value not deducted", partial(_soft, top_is_deducted=False), case="wide"),
)

VARIANTS: Mapping[str, tuple[Variant, ...]] = {
    "cpu_matmul": CPU_MATMUL,
    "cpu_softmax": SOFTMAX,
    "hopper_bf16_matmul": BF16_MATMUL,
    "hopper_fp8_matmul": FP8_MATMUL,
    "hopper_rmsnorm": RMSNORM,
}
