"""How a duration reads in a sentence."""


def lasting(seconds: float) -> str:
    """Return a duration in words, rounded down: `12 s`, `3 min 20 s`, `1 h 4 min`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
