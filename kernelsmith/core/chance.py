"""Randomness as a pure function of the run's seed: the same run asks and proposes the same again, on any machine."""

import hashlib
import random


def derived_seed(seed: int, *parts: int | str) -> int:
    """A 32-bit seed that depends on nothing but the run's seed and what it is for, such as an ask number."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def generator(seed: int, *parts: int | str) -> random.Random:
    """A random generator of its own for one purpose."""
    return random.Random(derived_seed(seed, *parts))
