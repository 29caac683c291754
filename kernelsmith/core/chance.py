"""Random numbers that depend only on a run's seed, so that a run makes the same choices again on any machine."""

import hashlib
import random


def derived_seed(seed: int, *parts: int | str) -> int:
    """Return a 32-bit seed computed from the run's seed and from the parts, which name a purpose: `"revive", 14`."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def generator(seed: int, *parts: int | str) -> random.Random:
    """Return a new random generator for one purpose; see `derived_seed` for the arguments."""
    return random.Random(derived_seed(seed, *parts))
