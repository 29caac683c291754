"""The colours of statuses can be read on a black and on a white background."""

import pytest
from rich.color import Color
from rich.style import Style

from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.report.model_attempt import attempt_row
from kernelsmith.report.styles import status_style


def _luminance(style: str) -> float:
    """Return the relative luminance of a style's colour by WCAG 2, from 0 (black) to 1 (white)."""
    colour = Style.parse(style).color or Color.parse("white")
    parts = [part / 255 for part in colour.get_truecolor()]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_colour_with_contrast_to_black_and_to_white(attempt_with, status):
    utilization = 0.4 if status is Status.PASSED else None
    style = status_style(attempt_row(attempt_with(1, status=status, utilization=utilization), None))
    assert Style.parse(style).color.number > 15, "terminals give the first 16 colours any value that they like"
    assert (_luminance(style) + 0.05) / 0.05 > 3.5
    assert 1.05 / (_luminance(style) + 0.05) > 3.5


def test_the_status_of_a_new_incumbent_is_bold(attempt_with):
    promoted = attempt_with(1, utilization=0.4, promotion=Promotion.FIRST)
    assert Style.parse(status_style(attempt_row(promoted, None))).bold
