"""Whatever a judge answers: what was asked for, or one HarnessError; and a judge that answered nonsense is gone."""

import functools
import json
import math
import operator
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.run import RunConfig
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.errors import HarnessError, JudgeDied, KernelsmithError, MachineRefusal, TaskError
from kernelsmith.judge_client import answers, wire
from kernelsmith.judge_client.harness import HarnessProcess, doctor
from kernelsmith.judge_client.process import JudgeProcess
from kernelsmith.log.store import open_store
from kernelsmith.report.attempt_page import attempt_text
from kernelsmith.report.model_attempt import attempt_report
from kernelsmith.report.plain import plain

MIB = 1 << 20
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
FACTS = {"registers": 40, "spill_bytes": 0, "stack_bytes": None, "shared_bytes": None, "occupancy": 0.5,
         "text_bytes": 900, "vector_bits": 256, "warnings": ["unused i"], "instructions": {"fma": 9}}  # fmt: skip
MEASURED = {"time_us": 5.0, "interval_us": {"low": 4.9, "high": 5.1}, "utilization": 0.5, "rate": 1e9, "peak": 2e9,
            "unit": "fp32", "pilot_us": 6.0, "vendor_ratio": 0.9, "vendor_paired": False, "single_us": None,
            "sustained_us": None, "utilization_at_clock": None}  # fmt: skip
VERDICT = {
    "status": "passed", "detail": "", "measurement": MEASURED, "promotion": "first",
    "duel": {"speedup": 1.1, "interval": {"low": 1.0, "high": 1.2}, "quads": 24}, "facts": FACTS,
    "batches": [{"case": "main", "calls": 3, "time_us": 5.0, "key": "0f" * 16, "telemetry": {"power_w": 300.0}}],
    "durations_s": {"build": 0.5}, "guards_s": {"sandbox": 0.1}, "isolation": 3, "notes": ["planned again"],
    "disturbed": ["vendor"],
}  # fmt: skip
DEVICE = {"name": "Test CPU", "kind": "cpu", "peak": 1e11, "unit": "fp32", "isolation": 3, "spread": 0.01,
          "overhead_us": 1.0, "worker_core": 1, "vendor": {"name": "OpenBLAS", "time_us": 5.0, "utilization": 0.8},
          "details": {"compiler": "cc"}}  # fmt: skip
WHOLE = {
    "progress": {"stage": "build"},
    "opened": {"device": DEVICE},
    "verdict": {"source_digest": "0" * 64, "verdict": VERDICT},
    "duel": {"duel": VERDICT["duel"]},
    "reproduced": {"is_correct": True, "detail": "right"},
    "built": {},
    "error": {"message": "no compiler", "fault": "harness"},
}
NUMBERS = [0, -1, 1e308, -1e308, 5e-324, 10**30, 2**63, 10**4000, float("nan"), float("inf"), True]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NUMBERS) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

extreme = st.floats(1e-14, 1e29) | st.integers(0, 2**63 - 1) | st.text(min_size=1) | st.lists(st.text(), max_size=3)


def whole(kind: str) -> dict[str, object]:
    """One answer to `judge-0`, its own copy."""
    copied: dict[str, object] = json.loads(
        json.dumps({"v": wire.VERSION, "id": "judge-0", "kind": kind, **WHOLE[kind]})
    )
    return copied


def read(line: str | bytes) -> wire.Answer | None:
    """What it says; None where it is refused, in one short line."""
    try:
        return wire.read(line)[1]
    except HarnessError as error:
        assert_short(str(error))
        return None


def assert_short(said: str) -> None:
    assert "\n" not in said
    assert len(said) < 1500


def attempt_of(judged: wire.VerdictWithDigest) -> Attempt:
    proposal = Proposal(Origin.MODEL, "a hypothesis", Candidate("void f(void) {}\n", Language.C), None)
    return Attempt(0, Ask(0, Directive(Stance.OPEN)), 0, proposal, judged.verdict, NOW, 1.0)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_answer_is_read(kind):
    assert read(json.dumps(whole(kind))) is not None


def test_a_progress_answer_may_say_which_step_of_its_stage_begins():
    begun, step = whole("progress"), "case wide, 3 of 5"
    assert read(json.dumps({**begun, "step": step})) == wire.ProgressAnswer(**begun, step=step)
    assert read(json.dumps(begun)) == wire.ProgressAnswer(**begun, step="")
    for wrong in (3, None, "x" * 501, ["case wide"]):
        assert read(json.dumps({**begun, "step": wrong})) is None
    assert read(json.dumps({**whole("built"), "step": step})) is None


def test_stages_and_steps_reach_who_asked(judge):
    process = judge('answer(asked, "progress"); answer(asked, "progress", step="2 of 3"); answer(asked, "duel")')
    seen = []
    process.ask("judge-0", "judge", on_progress=lambda *told: seen.append(told))
    assert seen == [("build", ""), ("build", "2 of 3")]


@given(st.binary(max_size=300) | st.text(max_size=300))
@example(b"[" * 100_000)
@example(b'{"v":' * 100_000)
@example("9" * 100_000)
@example(b"\xff\xfe")
@example(b'{"v":1,"id":"\\ud800","kind":"progress","stage":"x"}')
def test_noise_is_refused_in_one_line(noise):
    assert read(noise) is None


@given(st.sampled_from(sorted(WHOLE)), st.integers(1, 900))
def test_a_truncated_answer_is_refused(kind, kept):
    text = json.dumps(whole(kind))
    assert read(text[: min(kept, len(text) - 1)]) is None


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Iterator[Callable[[Attempt], None]]:
    """Writes an attempt to a real log and reads it back."""
    with open_store(tmp_path_factory.mktemp("log") / "attempts.db") as store:

        def keep(attempt: Attempt) -> None:
            run = store.create_run(RunConfig("cpu_matmul", "tuner"), name=None, task=Snapshot({"task.toml": b""}))
            store.ask(run, attempt.ask.directive)
            store.record(run, attempt)
            assert store.history(run).attempts[0].verdict.status is attempt.verdict.status

        yield keep


@given(st.data())
def test_what_the_wire_lets_through_can_be_stored_and_shown(history_with, shelf, data):
    message = whole("verdict")
    verdict = message["verdict"]
    assert isinstance(verdict, dict)
    inner = [verdict[key] for key in ("measurement", "duel", "facts", "durations_s", "guards_s")]
    place = data.draw(st.sampled_from([verdict, *inner, verdict["batches"][0], verdict["measurement"]["interval_us"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(values | extreme)
    answer = read(json.dumps(message))
    if answer is not None:
        assert isinstance(answer, wire.VerdictWithDigest)
        attempt = attempt_of(answer)
        shelf(attempt)
        report = attempt_report(history_with(attempt), attempt, batches=answer.verdict.batches)
        json.dumps(plain(report), allow_nan=False)
        assert attempt_text(report)


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_an_unknown_key_is_refused_anywhere(kind, data):
    message = whole(kind)
    inside = [part for part in message.values() if isinstance(part, dict)]
    data.draw(st.sampled_from([message, *inside]))["surplus"] = data.draw(values)
    assert read(json.dumps(message)) is None


def places(value: object, *way: str | int) -> Iterator[tuple[str | int, ...]]:
    """The way to every key of a message, but those of its mappings by name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*way, key)
            yield from () if key in MAPPINGS else places(inner, *way, key)
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, *way, index)


MAPPINGS = ("telemetry", "instructions", "durations_s", "guards_s", "details")


def at(message: Any, way: tuple[str | int, ...]) -> Any:
    return functools.reduce(operator.getitem, way, message)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_missing_key_is_refused_anywhere(kind):
    for way in places(whole(kind)):
        message = whole(kind)
        del at(message, way[:-1])[way[-1]]
        assert read(json.dumps(message)) is None, way


@pytest.mark.parametrize("kind", ["opened", "verdict", "duel"])
def test_an_unknown_key_is_refused_beside_every_other(kind):
    for way in places(whole(kind)):
        message = whole(kind)
        at(message, way[:-1])["surplus"] = 1
        assert read(json.dumps(message)) is None, way


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("peak",), 0.0), (("spread",), -0.1), (("isolation",), 4), (("worker_core",), -1), (("kind",), "tpu"),
        (("unit",), "fp99"), (("vendor", "time_us"), 0.0), (("vendor", "utilization"), math.nan),
        (("name",), "x" * 501), (("details", "compiler"), "x" * 20_001), (("details", "x" * 501), ""),
    ],
)  # fmt: skip
def test_no_part_of_a_device_is_out_of_bounds(way, value):
    message = whole("opened")
    at(message["device"], way[:-1])[way[-1]] = value
    assert read(json.dumps(message)) is None


@pytest.mark.parametrize("number", [n for n in NUMBERS if n != 2**63], ids=str)
@pytest.mark.parametrize("key", ["time_us", "utilization", "peak", "rate", "pilot_us"])
def test_no_figure_is_zero_negative_infinite_or_no_number(key, number):
    message = whole("verdict")
    message["verdict"]["measurement"][key] = number  # type: ignore[index]
    assert read(json.dumps(message)) is None


# --- a judge process that speaks, badly ----------------------------------------------------------------------------


SPEAKER = """#!{python}
import json, os, sys, time
answers = int(next(word for word in sys.argv if word.startswith("--answers-fd=")).partition("=")[2])
WHOLE = {whole!r}
def say(raw):
    while raw: raw = raw[os.write(answers, raw):]
def answer(id, kind, **changes):
    say(json.dumps(dict(v={version}, id=id, kind=kind, **(WHOLE[kind] | changes))).encode() + b"\\n")
for line in sys.stdin:
    asked = json.loads(line)["id"]
{behaviour}
"""


@pytest.fixture
def judge(tmp_path) -> Iterator[Callable[..., JudgeProcess]]:
    """A process in the judge's place, which answers each request by these lines of Python."""
    with ExitStack() as stack:

        def start(behaviour: str, *, silence_s: float = 30.0) -> JudgeProcess:
            program = speaker(tmp_path, behaviour)
            log = tmp_path / "harness.log"
            process = JudgeProcess(python=str(program), options=[], log=log, silence_s=silence_s)
            stack.callback(process.close)
            return process

        yield start


def speaker(folder: Path, behaviour: str) -> Path:
    program = folder / "speaker"
    body = textwrap.indent(behaviour, "    ")
    program.write_text(SPEAKER.format(python=sys.executable, version=wire.VERSION, whole=WHOLE, behaviour=body))
    program.chmod(0o755)
    return program


def ask(process: JudgeProcess, number: int = 0) -> wire.Answer:
    return process.ask(f"judge-{number}", "judge", on_progress=lambda stage, step: None)


BAD = {
    "noise": (r'say(b"\0\xff\x1b[2J\n")', "sent an invalid answer"),
    "nothing but an end of line": (r'say(b"\n")', "sent an invalid answer"),
    "a line without an end": (r'say(b"x" * (8 << 20))', "more than"),
    "nesting": (r'say(b"[" * 100000 + b"\n")', "sent an invalid answer"),
    "NaN": ('answer(asked, "duel", duel=dict(WHOLE["duel"]["duel"], speedup=float("nan")))', "speedup"),
    "another version": (r'say(b"{\"v\": 99, \"id\": \"judge-0\", \"kind\": \"error\", \"message\": \"x\"}\n")', "v: "),
    "another request's answer": ('answer("judge-7", "duel")', "judge-7"),
    "stages without an end": ('while True: answer(asked, "progress")', "no final answer"),
    "half an answer": (r'say(b"{\"v\": 1, "); sys.exit()', "within an answer"),
    "an end": ("sys.exit(5)", "status 5"),
    "an end with last words": ('print("\\x1b[31mno compiler", file=sys.stderr); sys.exit(1)', "no compiler"),
    "its name instead": ('answer("x" * 300, "duel")', "answered"),
    "a name of a megabyte": ('answer("x" * 1000000, "duel")', "id: "),
}


@pytest.mark.parametrize(
    ("fault", "error"), [("machine", MachineRefusal), ("harness", HarnessError), ("task", TaskError)]
)
def test_the_machine_the_task_and_the_harness_are_blamed_by_different_errors(judge, fault, error):
    process = judge(f'answer(asked, "error", message="no room", fault={fault!r})')
    with pytest.raises(KernelsmithError, match="no room") as caught:
        ask(process)
    assert type(caught.value) is error
    assert process.is_alive


@pytest.mark.parametrize("bad", BAD)
def test_a_judge_that_answers_badly_is_one_error_and_is_gone(judge, bad):
    behaviour, said = BAD[bad]
    process = judge(behaviour)
    with pytest.raises(HarnessError, match=said) as caught:
        ask(process)
    assert_short(str(caught.value))
    assert not process.is_alive


@pytest.mark.parametrize("end", ["sys.exit(5)", 'say(b"{"); sys.exit()', "os.close(answers); os._exit(0)"])
def test_a_judge_that_answered_and_then_ended_has_died_and_one_that_never_answered_did_not_start(judge, end):
    with pytest.raises(HarnessError) as caught:
        ask(judge(end))
    assert not isinstance(caught.value, JudgeDied)
    process = judge(f'answer(asked, "progress")\n{end}')
    with pytest.raises(JudgeDied):
        ask(process)


def test_a_judge_that_we_ended_ourselves_did_not_die_of_a_candidate(judge):
    process = judge('answer(asked, "progress"); time.sleep(600)')
    with pytest.raises(HarnessError) as caught:
        process.ask("judge-0", "judge", on_progress=lambda stage, step: process.kill())
    assert not isinstance(caught.value, JudgeDied)


def test_a_judge_that_dies_while_it_opens_the_task_again_did_not_die_of_the_candidate(small_task, tmp_path):
    """The first judge dies of a candidate; the one in its place dies before it is given any."""
    candidate = Candidate("void matmul(void) {}\n", Language.C)
    behaviour = 'answer(asked, "progress"); sys.exit(9) if asked != "open-0" else answer(asked, "opened")'
    program = speaker(tmp_path, behaviour)
    with HarnessProcess(small_task, folder=tmp_path, python=str(program)) as harness:
        harness.open()
        with pytest.raises(JudgeDied):
            harness.submit(candidate, None).result()
        with pytest.raises(HarnessError) as caught:
            harness.submit(candidate, None).result()
    assert not isinstance(caught.value, JudgeDied)


def test_an_error_of_the_harness_is_told_and_its_judge_goes_on(judge):
    process = judge('answer(asked, "error") if asked == "judge-0" else answer(asked, "duel")')
    with pytest.raises(HarnessError, match="no compiler"):
        ask(process)
    assert ask(process, 1) is not None


def test_a_request_that_was_not_understood_is_told_in_the_harness_words(judge):
    with pytest.raises(HarnessError, match="no compiler"):
        ask(judge('answer("", "error")'))


def test_an_answer_told_twice_is_not_taken_for_the_next_one(judge):
    process = judge('answer(asked, "duel"); answer(asked, "duel")')
    assert ask(process) is not None
    with pytest.raises(HarnessError, match="instead of 'judge-1'"):
        ask(process, 1)
    assert not process.is_alive


def test_a_judge_that_says_nothing_is_given_up(judge):
    """It would speak after ten minutes, which no run of the tests waits for."""
    process = judge('time.sleep(600); answer(asked, "duel")', silence_s=0.5)
    with pytest.raises(HarnessError, match="sent no answer"):
        ask(process)
    assert not process.is_alive


def test_a_judge_that_closes_its_answers_and_goes_on_is_given_up(judge, monkeypatch):
    monkeypatch.setattr("kernelsmith.judge_client.process.LAST_BREATH_S", 0.3)
    process = judge("os.close(answers); time.sleep(600)")
    with pytest.raises(HarnessError, match="still runs"):
        ask(process)
    assert not process.is_alive


def test_a_judge_that_writes_without_an_end_does_not_make_the_agent_grow(judge):
    process = judge('while True: say(b"x" * 65536)')
    before = psutil.Process().memory_info().rss
    with pytest.raises(HarnessError, match="more than"):
        ask(process)
    assert psutil.Process().memory_info().rss - before < 4 * answers.MAX_LINE


def test_a_log_of_any_length_is_quoted_from_its_end_only(judge, tmp_path):
    with open(tmp_path / "harness.log", "wb") as log:
        log.truncate(1 << 33)  # sparse
    process = judge('print("the last word", file=sys.stderr, flush=True); sys.exit(1)')
    with pytest.raises(HarnessError, match="the last word"):
        ask(process)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
@settings(max_examples=15)
def test_a_judge_that_writes_anything_is_one_error(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("speaks")
    behaviour = f"for piece in {pieces!r}: say(piece)\nsys.exit()"
    process = JudgeProcess(python=str(speaker(folder, behaviour)), options=[], log=folder / "log", silence_s=30)
    try:
        with pytest.raises(HarnessError):
            ask(process)
    finally:
        process.close()


def test_after_a_bad_answer_the_next_candidate_gets_a_new_judge(small_task, tmp_path):
    """The first judge answers the second measurement with the answer to the first; the second judge serves."""
    candidate = Candidate("void matmul(void) {}\n", Language.C)
    behaviour = f"""
if asked.startswith("open"): answer(asked, "opened"); continue
answer(asked if asked != "measure-3" else "measure-1", "verdict", source_digest={candidate.digest!r})
"""
    program = speaker(tmp_path, behaviour)
    with HarnessProcess(small_task, folder=tmp_path, python=str(program)) as harness:
        assert harness.submit(candidate, None).result().passed
        first = harness.pid
        with pytest.raises(HarnessError):
            harness.submit(candidate, None).result()
        assert harness.submit(candidate, None).result().passed
        assert harness.pid != first


def test_a_verdict_on_another_source_than_was_asked_for_is_no_verdict(small_task, tmp_path):
    program = speaker(tmp_path, 'answer(asked, "opened" if asked == "open-0" else "verdict")')
    process = HarnessProcess(small_task, folder=tmp_path, python=str(program))
    with process as harness, pytest.raises(HarnessError, match="digest 000000000000 instead"):
        harness.submit(Candidate("void matmul(void) {}\n", Language.C), None).result()


def test_an_interpreter_that_is_none_is_one_error(small_task, tmp_path):
    process = HarnessProcess(small_task, folder=tmp_path, python=str(tmp_path / "absent"))
    with process as harness, pytest.raises(HarnessError, match="does not run"):
        harness.submit(Candidate("void matmul(void) {}\n", Language.C), None).result()


@pytest.mark.parametrize("said", ["hello", "[" * 100_000, "[1, 2]", "\\\\377\\\\376"])
def test_an_interpreter_that_prints_anything_else_is_one_error(tmp_path, said):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    program.chmod(0o755)
    with pytest.raises(HarnessError, match="not the harness's report"):
        doctor(str(program))


@pytest.mark.soak
@given(st.binary(max_size=3000) | values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=20_000)
def test_noise_is_refused_in_one_line_many_times(noise):
    assert read(noise) is None
