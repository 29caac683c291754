"""The server of requests: one task stays open, and whatever cannot be answered is explained."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_judge import FULL, SMALL

from harness.devices import machine
from harness.devices.scripted import ScriptedDevice
from harness.errors import MachineError
from harness.program import server
from harness.wire import messages as wire

Serve = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def settings(tmp_path: Path) -> server.Settings:
    """A judge of a scripted device with an empty script."""
    script = tmp_path / "device.toml"
    script.write_text("")
    return server.Settings(f"scripted:{script}", tmp_path, FULL, calibration_s=1.0)


@pytest.fixture
def serve(settings: server.Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Give the lines of requests to a server and return its answers."""

    def answers(*requests: object) -> list[dict[str, Any]]:
        lines = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
        stream = io.StringIO()
        server.Server(wire.Answers(stream), settings).serve()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    cores = os.sched_getaffinity(0)
    yield answers
    os.sched_setaffinity(0, cores)


def request(op: str, number: int = 1, **body: object) -> dict[str, object]:
    return {"v": wire.VERSION, "id": str(number), "op": op, "task": str(SMALL), **body}


def test_a_task_is_opened_once_for_all_requests(serve: Serve, tmp_path: Path) -> None:
    (source := tmp_path / "candidate.c").write_text("void matmul(void) {}\n")
    candidate = {"path": str(source), "language": "c"}
    answers = serve(request("open"), request("measure", 2, candidate=candidate))
    final = [answer for answer in answers if answer["kind"] != "progress"]
    assert [(answer["id"], answer["kind"]) for answer in final] == [("1", "opened"), ("2", "verdict")]
    assert final[0]["device"]["kind"] == "scripted"
    calibrated = [answer["id"] for answer in answers if answer.get("stage") == "calibration"]
    assert set(calibrated) == {"1"}


def test_a_line_that_is_no_request_and_a_file_that_is_gone_are_explained(serve: Serve, tmp_path: Path) -> None:
    gone = {"path": str(tmp_path / "gone.c"), "language": "c"}
    answers = serve(["no request"], request("measure", candidate=gone), request("open", 2))
    final = [answer for answer in answers if answer["kind"] != "progress"]
    assert [answer["kind"] for answer in final] == ["error", "error", "opened"]
    assert "not an object" in final[0]["message"]
    assert final[1]["fault"] == "harness"
    assert "gone.c is not a file" in final[1]["message"]


def test_a_device_is_found_by_its_name_or_refused(settings: server.Settings) -> None:
    cores = machine.split_cores()
    assert isinstance(server.device_named(settings, cores), ScriptedDevice)
    with pytest.raises(MachineError):
        server.device_named(server.Settings("cuda:99", settings.cache, FULL, 1.0), cores)
