"""What counts as right: honest roundings pass, everything cheaper or partial does not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import task as tasks
from harness.checking import verify
from harness.checking.inputs import fill, generator, poison_word
from harness.checking.rounding import rounded

TASK = tasks.load(Path(__file__).parent.parent.parent / "tasks" / "cpu_matmul")
POISON = 0x7FC01234


def problem(case_name: str, key: str = "1f" * 16):
    """A case with its inputs and its honest fp32 result."""
    case = next(case for case in TASK.cases if case.name == case_name)
    inputs = {b.name: np.empty(b.shape_in(case.sizes), b.dtype) for b in TASK.buffers if not b.is_output}
    fill(TASK, case, views=inputs, rng=generator(key))
    return case, inputs, {"C": inputs["A"] @ inputs["B"].T}


def both_checks(case, inputs, outputs) -> tuple[verify.WrongOutput | None, verify.WrongOutput | None]:
    """The full comparison and the check of timed calls."""
    call = verify.Call(TASK, case, inputs, outputs)
    quick = verify.check_timed(call, rng=np.random.default_rng(7), poison=POISON)
    return verify.compare(call, poison=POISON), quick


@pytest.mark.parametrize("name", ["main", "rectangular", "odd", "exact", "wide"])
def test_an_honest_product_passes_every_case(name: str) -> None:
    assert both_checks(*problem(name)) == (None, None)


def test_a_sum_in_the_least_favourable_order_passes() -> None:
    case, inputs, outputs = problem("rectangular")
    total = np.zeros_like(outputs["C"])
    for k in range(case.sizes["K"]):
        total += inputs["A"][:, k, None] * inputs["B"][None, :, k]
    assert both_checks(case, inputs, {"C": total}) == (None, None)


@pytest.mark.parametrize("seed", range(20))
def test_one_zeroed_element_is_found_by_both_checks(seed: int) -> None:
    case, inputs, outputs = problem("rectangular")
    rng = np.random.default_rng(seed)
    outputs["C"][rng.integers(outputs["C"].shape[0]), rng.integers(outputs["C"].shape[1])] = 0
    full, quick = both_checks(case, inputs, outputs)
    assert full is not None
    assert quick is not None


def test_a_skipped_k_slice_is_found() -> None:
    case, inputs, _ = problem("main")
    keep = np.arange(1024) // 16 != 37
    full, quick = both_checks(case, inputs, {"C": inputs["A"][:, keep] @ inputs["B"][:, keep].T})
    assert full is not None
    assert quick is not None


@pytest.mark.parametrize("dropped_bits", [8, 13, 16])
def test_inputs_in_lower_precision_are_found(dropped_bits: int) -> None:
    case, inputs, _ = problem("main")
    mask = np.uint32(0xFFFFFFFF << dropped_bits & 0xFFFFFFFF)
    narrow = {name: (array.view(np.uint32) & mask).view(np.float32) for name, array in inputs.items()}
    full, quick = both_checks(case, inputs, {"C": narrow["A"] @ narrow["B"].T})
    assert full is not None
    assert quick is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_wrong_whatever_the_tolerance(value: float) -> None:
    case, inputs, outputs = problem("odd")
    outputs["C"][3, 4] = value
    full, quick = both_checks(case, inputs, outputs)
    assert full is not None
    assert "C[3,4]" in full.detail
    assert quick is not None


def test_an_exact_case_admits_no_error_at_all() -> None:
    case, inputs, outputs = problem("exact")
    outputs["C"][0, 0] = np.nextafter(outputs["C"][0, 0], np.float32(1e9))
    full, quick = both_checks(case, inputs, outputs)
    assert full is not None
    assert quick is not None


def test_unwritten_elements_are_named_as_such() -> None:
    case, inputs, outputs = problem("odd")
    outputs["C"].view(np.uint32)[5:, :] = POISON
    full, _ = both_checks(case, inputs, outputs)
    assert full is not None
    assert "9,702 elements hold the NaN" in full.detail
    assert "rows 5 to 130 of 131" in full.detail


def test_a_periodic_pattern_is_named() -> None:
    case, inputs, outputs = problem("rectangular")
    outputs["C"][:, 5::8] += 1
    full, _ = both_checks(case, inputs, outputs)
    assert full is not None
    assert "columns where index % 8 is 5" in full.detail


def test_one_key_gives_the_same_inputs_and_another_key_others() -> None:
    _, first, _ = problem("main", "00" * 16)
    _, again, _ = problem("main", "00" * 16)
    _, other, _ = problem("main", "00" * 15 + "01")
    assert np.array_equal(first["A"], again["A"])
    assert not np.array_equal(first["A"], other["A"])


def test_poison_is_a_nan_and_differs_between_batches() -> None:
    words = {poison_word(generator(f"{i:032x}"), item_bytes=4) for i in range(50)}
    assert len(words) > 45
    assert np.isnan(np.array(sorted(words), np.uint32).view(np.float32)).all()


ROWS_TASK = tasks.load(Path(__file__).parent.parent.parent / "tasks" / "hopper_rmsnorm")
ROWS = 5000


def normalized() -> tuple[tasks.Case, tasks.Arrays, np.ndarray]:
    """A case whose rows are independent, with its inputs and its honest result."""
    case = replace(ROWS_TASK.timed[0], sizes={"ROWS": ROWS, "COLS": 64})
    rng = np.random.default_rng(3)
    inputs = {name: rounded(rng.standard_normal(shape).astype(np.float32), "bfloat16")
              for name, shape in (("X", (ROWS, 64)), ("W", (64,)))}  # fmt: skip
    return case, inputs, rounded(ROWS_TASK.reference(inputs)["Y"], "bfloat16")


def look_at_rows(case, inputs, y, seed: int) -> verify.WrongOutput | None:
    """The check of one timed call."""
    rng = np.random.default_rng(seed)
    return verify.check_timed(verify.Call(ROWS_TASK, case, inputs, {"Y": y}), rng=rng, poison=POISON)


def test_a_secret_sample_of_independent_rows_is_compared() -> None:
    case, inputs, honest = normalized()
    assert [look_at_rows(case, inputs, honest, seed) for seed in range(20)] == [None] * 20
    lazy = honest.copy()
    lazy[::100] = np.array([POISON], np.uint32).view(np.float32)
    found = [mistake for seed in range(20) if (mistake := look_at_rows(case, inputs, lazy, seed))]
    assert len(found) >= 8  # each of 20 calls is found with a probability of 0.72
    assert "secret sample" in found[0].detail


def test_few_rows_are_all_compared() -> None:
    case, inputs, honest = normalized()
    few = {"X": inputs["X"][: verify.SAMPLED_ROWS], "W": inputs["W"]}
    for row in range(verify.SAMPLED_ROWS):
        wrong = honest[: verify.SAMPLED_ROWS].copy()
        wrong[row, 7] += 1
        assert look_at_rows(case, few, wrong, seed=row) is not None


@pytest.mark.parametrize("there", [1, 127, 128, 129, 200, 16384])
def test_a_sample_has_each_place_once_and_any_place_may_be_in_it(there: int) -> None:
    places = verify.sample(np.random.default_rng(0), there=there, most=verify.SAMPLED_ROWS, calls=2000)
    assert places.shape == (2000, min(there, verify.SAMPLED_ROWS))
    assert (np.diff(places, axis=1) > 0).all()
    assert np.array_equal(np.unique(places), np.arange(there))
