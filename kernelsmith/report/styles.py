"""Holds the colours in which a terminal shows the statuses of attempts. Each is readable on a black and on a white
background.

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
    """Return the style in which the library rich draws an attempt's status, as text: a colour's name, followed by
    `bold` if the attempt became the best of its run.
    """
    colour = STATUS_COLOURS.get(attempt.verdict.status, RED)
    return f"{colour} bold" if attempt.verdict.promotion else colour
