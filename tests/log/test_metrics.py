"""Test that the log keeps every figure of a verdict: in a column if tables are sorted by it, otherwise as a metric."""

from collections.abc import Mapping
from dataclasses import fields, make_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from log.plain import query

from kernelsmith.core.attempt import Attempt, Directive, Stance
from kernelsmith.core.run import Run
from kernelsmith.core.task import Unit
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.core.verdict import Batch, Duel, Facts, Figure, Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.log import metric_groups, rows, tables
from kernelsmith.log.metric_groups import MetricGroups
from kernelsmith.log.metrics import metrics_of
from kernelsmith.log.reader import open_reader

COLUMNS = set(tables.attempts.c.keys())


def filled(kind: type, values: Mapping[str, Any] | None = None) -> Any:
    """Return a dataclass of type `kind` with a different value in every field: from `values`, or one of the field's
    type.
    """
    values, hints = values or {}, get_type_hints(kind)
    others = {f.name: value_of(hints[f.name], seed) for seed, f in enumerate(fields(kind), 3) if f.name not in values}
    return kind(**values, **others)


def value_of(hint: Any, seed: int) -> Any:
    """Return a value of the type `hint`; another seed gives another value."""
    kinds = get_args(hint) or (hint,)
    if get_origin(hint) is Mapping:
        return {"a": value_of(kinds[1], seed), "b.c d": value_of(kinds[1], seed + 100)}
    if get_origin(hint) is tuple:
        return ("one", f"two {seed}")
    return {int: seed * 7, float: seed + 1 / 3, bool: True}[kinds[0]]


MEASUREMENT = filled(Measurement, {"unit": Unit.BF16, "interval_us": Interval(1.0, 2.0)})
BATCHES = tuple(Batch("main", 2, 20.0 + i, f"{i:032x}", {"sm_mhz": 1900.0 + i, "power_w": 5.0 * i}) for i in range(3))
EVERYTHING = filled(
    Verdict,
    {
        "status": Status.PASSED, "detail": "d", "measurement": MEASUREMENT, "promotion": Promotion.DUEL,
        "duel": Duel(1.05, Interval(1.02, 1.08), 24), "facts": filled(Facts), "batches": BATCHES, "isolation": 2,
        "disturbed": tuple(Figure),
    },
)  # fmt: skip


@pytest.fixture
def run(store, config, task) -> Run:
    """Create a run without an attempt."""
    return store.create_run(config, name="r", task=task)


@pytest.fixture
def recorded(store, run, make_attempt) -> Attempt:
    """Record an attempt with a value in every field of its verdict."""
    attempt = make_attempt(0, EVERYTHING, ask=store.ask(run, Directive(Stance.REFINE)))
    store.record(run, attempt)
    return attempt


def test_every_figure_of_a_verdict_is_read_back(path, run, recorded) -> None:
    with open_reader(path) as log:
        (read,) = log.history(run).attempts
    for part, whole in ((read.verdict, EVERYTHING), (read.verdict.facts, EVERYTHING.facts)):
        for name in (f.name for f in fields(part)):
            assert getattr(part, name) == getattr(whole, name), name
    assert read.verdict.measurement == MEASUREMENT
    assert read == recorded


def test_a_count_is_read_back_as_an_integer(path, run, recorded) -> None:
    with open_reader(path) as log:
        (read,) = log.history(run).attempts
    facts = read.verdict.facts
    assert {type(facts.registers), type(facts.text_bytes), *map(type, facts.instructions.values())} == {int}


def test_a_figure_is_either_a_column_or_a_metric() -> None:
    names = {metric.name.split(".")[1] for metric in metrics_of(EVERYTHING, columns=COLUMNS)}
    assert names & COLUMNS == set()
    numbers = {f.name for f in fields(Measurement)} - {"interval_us"}
    assert numbers - COLUMNS <= names
    assert {f.name for f in fields(Facts)} - {"warnings"} <= names


def test_a_metric_has_a_name_a_value_and_a_unit(path, recorded) -> None:
    stored = {row["name"]: (row["value"], row["unit"]) for row in query(path, "select * from metrics")}
    facts = EVERYTHING.facts
    assert stored["facts.registers"] == (facts.registers, "1")
    assert stored["facts.text_bytes"] == (facts.text_bytes, "B")
    assert stored["facts.vector_bits"] == (facts.vector_bits, "bit")
    assert stored["facts.instructions.b.c d"] == (facts.instructions["b.c d"], "1")
    assert stored["measurement.pilot_us"] == (MEASUREMENT.pilot_us, "us")
    assert stored["durations_s.a"] == (EVERYTHING.durations_s["a"], "s")
    assert stored["telemetry.sm_mhz"] == (1901.0, "MHz")
    assert stored["telemetry.power_w"] == (5.0, "W")
    assert len(stored) == len(list(metrics_of(EVERYTHING, columns=COLUMNS)))


def test_a_new_field_of_the_facts_needs_no_column(path, store, run, make_attempt, monkeypatch) -> None:
    added = [("predicates", int | None, None), ("share", float | None, None)]
    more = make_dataclass("MoreFacts", added, bases=(Facts,), frozen=True)
    monkeypatch.setattr(metric_groups, "_FACTS", get_type_hints(more))
    monkeypatch.setattr(rows, "Facts", more)
    metric_groups._place.cache_clear()
    verdict = Verdict(Status.CRASHED, facts=more(registers=3, predicates=4, share=0.25))
    store.record(run, make_attempt(0, verdict, ask=store.ask(run, Directive(Stance.REFINE))))
    with open_reader(path) as log:
        (read,) = log.history(run).attempts
    metric_groups._place.cache_clear()
    assert read.verdict.facts == verdict.facts
    assert {"predicates", "share"}.isdisjoint(COLUMNS)


@pytest.mark.parametrize("name", ["facts.unheard", "unheard", "unheard.of", "measurement.unheard", "telemetry.sm_mhz"])
def test_a_metric_with_an_unknown_name_is_ignored(path, run, recorded, store, name) -> None:
    with store._writing() as connection:
        connection.execute(
            tables.metrics.insert().prefix_with("OR IGNORE"),
            {"attempt_id": 1, "name": name, "value": 1.0, "unit": "1"},
        )
    with open_reader(path) as log:
        assert log.history(run).attempts == (recorded,)


def test_figures_without_a_metric_have_their_defaults() -> None:
    empty = MetricGroups()
    assert Facts(**empty.facts) == Facts()
    assert empty.measured == {}
    assert empty.tables == {"durations_s": {}, "guards_s": {}}


# --- views that the documentation names ---


@pytest.fixture
def second_attempt(path, store, run, recorded, make_attempt, verdicts) -> None:
    """Record a second attempt and three model calls."""
    ask = store.ask(run, Directive(Stance.RESTRUCTURE, parent=0))
    store.record(run, make_attempt(1, verdicts["crashed"], ask=ask, line=1))
    at = run.created_at
    for error, usd in (("", 0.5), ("HTTP 503: busy", 0.0), ("", 0.25)):
        usage = Usage(100, 20, cost_usd=usd)
        store.keep(run, Exchange(1, "m", "[]", "", "", usage, 1.0, "", 0, at, error))


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("select run, attempt, card from best_attempts", [("r", 0, "EPYC")]),
        ("select utilization = time_us, vendor_ratio > 0 from best_attempts", [(0, 1)]),
        (
            "select attempt, ask, trial, stance, parent, line, status, promotion from attempt_list order by attempt",
            [(0, 0, 0, "refine", 0, 0, "passed", "duel"), (1, 1, 0, "restructure", 0, 1, "crashed", None)],
        ),
        ("select hypothesis, detail from attempt_list where attempt = 1", [("wider tiles", "killed by SIGSEGV")]),
        ("select attempt, value, unit from attempt_metrics where name = 'durations_s.build'", [(1, 0.2, "s")]),
        (
            "select run, model, calls, failed, prompt_tokens, completion_tokens, usd from costs",
            [("r", "m", 3, 1, 300, 60, 0.75)],
        ),
    ],
)
def test_a_view_answers_a_query_of_plain_sqlite(path, second_attempt, statement, answer) -> None:
    assert [tuple(row) for row in query(path, statement)] == answer


def test_a_run_without_a_promotion_has_no_row_of_best_attempts(path, store, run) -> None:
    assert query(path, "select * from best_attempts") == []
