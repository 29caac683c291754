"""Derive random numbers from a run's seed and from a purpose, so that a run makes the same choices again on any
machine.
"""

import hashlib
import random


def derived_seed(seed: int, *parts: int | str) -> int:
    """Return a seed from 0 to 2**32 - 1 for random choices with one purpose. It is computed from the run's `seed` and
    from `parts`, words and numbers that name the purpose, such as `"revive", 14`. Equal arguments give an equal seed on
    every machine.
    """
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def generator(seed: int, *parts: int | str) -> random.Random:
    """Return a new `random.Random` whose seed is derived from the run's `seed` and `parts`, words and numbers that name
    the purpose of the choices, such as `"revive", 14`. Equal arguments give the same sequence of numbers on every
    machine; other parts give an unrelated sequence.
    """
    return random.Random(derived_seed(seed, *parts))
