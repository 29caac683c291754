"""One attempt in full: as plain data, and as a page of text with its source."""

from dataclasses import asdict, fields
from typing import Any

from kernelsmith.core import caps
from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.run import Device
from kernelsmith.core.usage import Exchange
from kernelsmith.core.verdict import Batch, Facts, Measurement
from kernelsmith.report import figures
from kernelsmith.report.telemetry import telemetry_data, telemetry_rows
from kernelsmith.report.text import columns, one_line, printable

NO_MEASUREMENT = dict.fromkeys(
    (
        "utilization",
        "time_us",
        "interval_us",
        "rate",
        "peak",
        "unit",
        "vendor_ratio",
        "vendor_paired",
        "single_us",
        "sustained_us",
        "utilization_at_clock",
        "pilot_us",
    )
)


def attempt_data(attempt: Attempt) -> dict[str, Any]:
    """The attempt without its source: utilization as a fraction of peak, `_us` microseconds a call, `_s` seconds."""
    proposal, verdict = attempt.proposal, attempt.verdict
    candidate = proposal.candidate
    return {
        "number": attempt.number,
        "parent": proposal.parent,
        "origin": proposal.origin,
        "stance": attempt.stance,
        "asked": attempt.ask.directive.reason,
        "status": verdict.status,
        "detail": verdict.detail,
        "hypothesis": proposal.hypothesis,
        "language": candidate.language if candidate else None,
        "digest": candidate.digest if candidate else None,
        "params": dict(candidate.params) if candidate else {},
        **_measured(verdict.measurement),
        "promotion": verdict.promotion,
        "duel": asdict(verdict.duel) if verdict.duel else None,
        "facts": facts_data(verdict.facts),
        "notes": list(verdict.notes),
        "isolation": verdict.isolation,
        "durations_s": dict(verdict.durations_s),
        "guards_s": dict(verdict.guards_s),
        "seconds": attempt.seconds,
        "started_at": attempt.started_at,
    }


def full_data(attempt: Attempt, batches: tuple[Batch, ...], exchanges: tuple[Exchange, ...]) -> dict[str, Any]:
    """The same with source, every batch with its key and telemetry, and the model calls that led to it."""
    candidate = attempt.proposal.candidate
    return {
        **attempt_data(attempt),
        "source": candidate.source if candidate else None,
        "telemetry": telemetry_data(batches),
        "batches": [asdict(batch) for batch in batches],
        "exchanges": [asdict(exchange) for exchange in exchanges],
    }


def facts_data(facts: Facts) -> dict[str, Any]:
    """What is known of the build; what does not apply is left out."""
    known = ((field.name, getattr(facts, field.name)) for field in fields(facts))
    return {name: value for name, value in known if value not in (None, (), {})}


def attempt_page(
    history: History, attempt: Attempt, batches: tuple[Batch, ...], exchanges: tuple[Exchange, ...]
) -> str:
    """The attempt for a reader: figures with their denominators, facts, then the source."""
    rows = [("asked", one_line(f"{attempt.stance}: {attempt.ask.directive.reason}")), ("by", _origin(attempt))]
    rows += [("hypothesis", one_line(attempt.proposal.hypothesis))] if attempt.proposal.hypothesis else []
    rows += measurement_rows(attempt.verdict.measurement, history.device_of(attempt))
    rows += _duel_row(attempt)
    rows += [("batches", f"{len(batches)} of {_calls(batches)} calls")] if batches else []
    rows += telemetry_rows(batches)
    rows += [("note", one_line(note)) for note in attempt.verdict.notes]
    rows += fact_rows(attempt.verdict.facts)
    rows += [("model call", _call(exchange)) for exchange in exchanges]
    rows += [("took", _durations(attempt)), ("of it guards", _guards(attempt))]
    head = f"{history.run.name}:{attempt.number}  {attempt.verdict.status}"
    parts = [head, printable(caps.cut(attempt.verdict.detail, caps.TEXT)), columns([row for row in rows if row[1]])]
    candidate = attempt.proposal.candidate
    parts += [f"source, {candidate.digest[:12]}", printable(candidate.source)] if candidate else []
    return "\n\n".join(part for part in parts if part)


def measurement_rows(found: Measurement | None, device: Device | None) -> list[tuple[str, str]]:
    """Utilization, vendor line and time, each with its denominator; nothing unless it passed."""
    if found is None:
        return []
    rows = [("of peak", f"{figures.percent(found.utilization)} of {figures.rate(found.peak, found.unit)}")]
    rows += [("peak of", one_line(sku))] if (sku := figures.sku(device)) else []
    rows += [("vendor", of_vendor)] if (of_vendor := figures.of_vendor(found, device)) else []
    rows += [("time", figures.interval(found)), ("rate", figures.rate(found.rate, found.unit))]
    rows += [("single call", figures.duration(found.single_us))] if found.single_us else []
    rows += [("back to back", _back_to_back(found, found.sustained_us))] if found.sustained_us else []
    at_clock = found.utilization_at_clock
    rows += [("at its clock", f"{figures.percent(at_clock)} of what the sampled clock allows")] if at_clock else []
    return rows


def _back_to_back(found: Measurement, sustained_us: float) -> str:
    """Hot, and so never a score."""
    utilization = found.utilization * found.time_us / sustained_us
    return f"{figures.duration(sustained_us)}, {figures.percent(utilization)} of peak"


def fact_rows(facts: Facts) -> list[tuple[str, str]]:
    """What the build told, one row a fact."""
    rows = []
    for name, value in facts_data(facts).items():
        if name == "instructions":
            rows.append((name, one_line(", ".join(f"{kind} {count}" for kind, count in sorted(value.items())))))
        elif name == "warnings":
            rows += [("warning", one_line(warning)) for warning in value]
        else:
            rows.append((name.replace("_", " "), f"{value}"))
    return rows


def _measured(found: Measurement | None) -> dict[str, Any]:
    if found is None:
        return dict(NO_MEASUREMENT)
    data = {name: getattr(found, name) for name in NO_MEASUREMENT}
    return data | {"interval_us": [found.interval_us.low, found.interval_us.high]}


def _origin(attempt: Attempt) -> str:
    candidate, parent = attempt.proposal.candidate, attempt.proposal.parent
    words = [attempt.proposal.origin] + ([f"from attempt {parent}"] if parent is not None else [])
    params = ", ".join(f"{name} {value}" for name, value in candidate.params.items()) if candidate else ""
    return one_line(": ".join(part for part in (" ".join(words), params) if part))


def _duel_row(attempt: Attempt) -> list[tuple[str, str]]:
    fought = attempt.verdict.duel
    if fought is None:
        return []
    won = "won" if attempt.verdict.promotion else "not won"
    return [("duel", f"{won}, {figures.speedup(fought)} in {fought.quads} quads")]


def _calls(batches: tuple[Batch, ...]) -> str:
    counts = sorted({batch.calls for batch in batches})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _call(exchange: Exchange) -> str:
    usage = exchange.usage
    tokens = f"{usage.prompt_tokens} + {usage.completion_tokens} tokens"
    parts = [
        exchange.model,
        tokens,
        figures.cost(usage.cost_usd),
        f"{exchange.latency_s:.1f} s",
        exchange.finish_reason,
    ]
    return one_line(", ".join(parts))


def _durations(attempt: Attempt) -> str:
    stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in attempt.verdict.durations_s.items() if seconds)
    return f"{attempt.seconds:.1f} s" + (f": {stages}" if stages else "")


def _guards(attempt: Attempt) -> str:
    """What is done only because a candidate may cheat or be wrong, as seconds and as a part of build to verdict."""
    spent, judged_s = attempt.verdict.guards_s, sum(attempt.verdict.durations_s.values())
    if not spent or not judged_s:
        return ""
    each = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in sorted(spent.items(), key=lambda one: -one[1]))
    return f"{sum(spent.values()) / judged_s:.1%} of build to verdict: {each}"
