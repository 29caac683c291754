"""Derived randomness: a run's seed decides everything, on every machine and in every process."""

from kernelsmith.core.chance import derived_seed, generator


def test_the_derived_seed_is_the_same_on_every_machine():
    assert derived_seed(0) == 1_609_362_278
    assert derived_seed(7, "tpe", 12) == 3_469_449_803


def test_every_purpose_and_every_ask_has_randomness_of_its_own():
    seeds = {derived_seed(seed, what, n) for seed in range(3) for what in ("tpe", "near") for n in range(50)}
    assert len(seeds) == 300


def test_a_seed_depends_on_where_one_part_ends_and_the_next_begins():
    assert derived_seed(1, 23) != derived_seed(12, 3)


def test_a_generator_begins_anew_for_the_same_purpose():
    assert generator(3, "any", 4).random() == generator(3, "any", 4).random()
    assert generator(3, "any", 4).random() != generator(3, "any", 5).random()
