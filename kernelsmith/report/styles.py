"""Holds the colours of statuses on a terminal: each is readable on a black and on a white background.

Each colour has a contrast of at least 3.8 to black and to white (WCAG 2, of the xterm palette with 256 colours); the
plain yellow, cyan and green of a terminal with 16 colours are below 2.2 on white.
"""

from kernelsmith.report.model_attempt import AttemptRow

GREEN, ORANGE, MAGENTA, RED = "green4", "dark_orange3", "magenta3", "red3"
"""Names of colours as rich knows them."""
STATUS_COLOURS = {
    "passed": GREEN,
    "no_candidate": ORANGE,
    "rejected": ORANGE,
    "tampered": MAGENTA,
}


def status_style(attempt: AttemptRow) -> str:
    """Return rich's style for the status of an attempt: its colour, bold if the attempt became the incumbent."""
    colour = STATUS_COLOURS.get(attempt.verdict.status, RED)
    return f"{colour} bold" if attempt.verdict.promotion else colour
