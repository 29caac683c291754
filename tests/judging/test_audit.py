"""The longest single call that the audit allows before it scores a candidate by single calls."""

import pytest

from harness.judging import audit


@pytest.mark.parametrize("vendor_ratio", [0.5, 0.92, 1.0])
def test_a_single_call_that_is_as_fast_as_calls_in_batches_is_always_allowed(vendor_ratio):
    assert audit.allowed_s(1e-3, vendor_ratio=vendor_ratio, scatter_s=0.0) >= 1e-3


def test_single_calls_may_be_as_much_slower_than_batches_as_those_of_the_vendor_line():
    assert audit.allowed_s(1e-3, vendor_ratio=1.4, scatter_s=0.0) == pytest.approx(1.4e-3 * audit.ALLOWED)
