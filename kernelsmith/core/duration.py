"""Format a duration as words."""


def lasting(seconds: float) -> str:
    """Return a duration of `seconds` in words, rounded down to whole seconds, or to whole minutes from one hour on: `12
    s`, `3 min 20 s`, `1 h 4 min`.
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
