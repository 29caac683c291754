"""What a single call may take before a candidate is scored by it."""

import pytest

from harness.judging import audit


@pytest.mark.parametrize("vendor_ratio", [0.5, 0.92, 1.0])
def test_a_single_call_is_never_held_against_a_candidate_while_it_is_as_quick_as_its_batch(vendor_ratio):
    assert audit.allowed_s(1e-3, vendor_ratio=vendor_ratio, scatter_s=0.0) >= 1e-3


def test_what_the_vendors_single_calls_lose_a_candidates_may_lose_too():
    assert audit.allowed_s(1e-3, vendor_ratio=1.4, scatter_s=0.0) == pytest.approx(1.4e-3 * audit.ALLOWED)
