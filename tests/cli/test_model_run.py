"""Runs that ask a model: what happens when the endpoint fails, a script to try it with, and a real server."""

import json
import re
from pathlib import Path

import pytest

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
SCRIPT = Path(__file__).parents[2] / "examples" / "scripted_replies"


@pytest.fixture
def run(cli, card):
    """Start a run of the small task on a scripted device; it is called `asked`."""

    def start(*options: str, task: Path = SMALL, **variables: str):
        return cli("run", str(task), "--name", "asked", *card, *options, **variables)

    return start


@pytest.fixture
def asked(cli):
    """The run's line in the list, and its attempts."""

    def read() -> tuple[dict, list[dict]]:
        (listed,) = json.loads(cli("runs", "--json").stdout)
        return listed, json.loads(cli("show", "asked", "--json").stdout)["attempts"]

    return read


def kernel(number: int) -> str:
    """A reply with a kernel that is right and differs from the others."""
    body = "for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) { float s = 0;"
    body += " for (int k = 0; k < K; k++) s += A[i * K + k] * B[j * K + k]; C[i * N + j] = s; }"
    signature = "void matmul(const float *A, const float *B, float *C, int M, int N, int K)"
    return f"Hypothesis: {number} is right.\n\n```c\n/* {number} */ {signature} {{ {body} }}\n```\n"


def test_an_endpoint_that_does_not_answer_is_found_before_a_run_exists(run, cli):
    done = run("--model", "m", "--base-url", "http://127.0.0.1:9/v1")
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert "--base-url" in done.stderr
    assert "http://127.0.0.1:9/v1" in done.stderr
    assert json.loads(cli("runs", "--json").stdout) == []


def test_a_wrong_key_is_found_before_a_run_exists(run, fake):
    fake.answers = [fake.whole({"error": {"message": "bad key"}}, status=401)]
    done = run("--model", "m", "--base-url", fake.url, KERNELSMITH_API_KEY="sk-wrong")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "401" in done.stderr
    assert "sk-wrong" not in done.stderr


def test_an_endpoint_that_fails_in_mid_run_pauses_it_and_resume_goes_on(run, cli, asked, fake):
    models = fake.whole({"data": [{"id": "m"}]})
    refused = fake.whole({"error": {"message": "the key was revoked"}}, status=401)
    fake.answers = [models, fake.words(kernel(1)), refused]
    done = run("--model", "m", "--base-url", fake.url, "--attempts", "3")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert " resume asked" in done.stderr.splitlines()[-1]
    listed, attempts = asked()
    assert (listed["status"], len(attempts)) == ("paused", 2)

    fake.calls, fake.answers = 0, [models, fake.words(kernel(2))]
    assert cli("resume", "asked").returncode == 0
    listed, attempts = asked()
    assert listed["status"] == "ended"
    assert [a["status"] for a in attempts[1:]] == ["passed", "passed"]
    assert [a["hypothesis"] for a in attempts[1:]] == ["1 is right.", "2 is right."]


def test_the_scripted_example_runs_offline_and_ends_with_its_script(run, asked):
    done = run("--model", f"scripted:{SCRIPT}", "--attempts", "20")
    assert done.returncode == 0, done.stderr
    listed, attempts = asked()
    assert (listed["status"], len(attempts)) == ("ended", 4)
    assert [a["status"] for a in attempts] == ["incorrect", "passed", "no_candidate", "passed"]


def test_a_script_is_found_again_when_the_run_is_resumed_from_elsewhere(run, asked, cli, tmp_path):
    (tmp_path / "replies").mkdir()
    for number in (1, 2):
        (tmp_path / "replies" / f"{number}.md").write_text(kernel(number))
    assert run("--model", "scripted:replies", "--attempts", "2").returncode == 0
    (tmp_path / "elsewhere").mkdir()
    database = str(tmp_path / "runs" / "attempts.db")
    done = cli("resume", "asked", "--attempts", "1", "--db", database, folder=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert len(asked()[1]) == 3


@pytest.mark.server
def test_a_run_asks_a_real_server_and_logs_what_it_says(run, asked, cli, mine, server_url):
    # A short brief: two shared cores read about a hundred tokens a second.
    benchmark = re.sub(r'^ *""".*?"""\n', "", (mine / "benchmark.py").read_text(), flags=re.DOTALL | re.MULTILINE)
    (mine / "benchmark.py").write_text(benchmark)
    done = run("--model", "smollm2", "--base-url", f"{server_url}/v1", "--attempts", "2", task=mine)
    assert done.returncode == 1, "16 tokens of a small model are no kernel"
    _, attempts = asked()
    assert [a["origin"] for a in attempts] == ["skeleton", "model"]
    (exchange,) = json.loads(cli("show", "asked:1", "--json").stdout)["exchanges"]
    assert exchange["reply"]
    assert exchange["model"] == "smollm2"
    assert exchange["finish_reason"] in ("stop", "length")
    assert exchange["usage"]["prompt_tokens"] > 500
    assert 0 < exchange["usage"]["completion_tokens"] <= 16
    assert exchange["usage"]["cost_usd"] is None
