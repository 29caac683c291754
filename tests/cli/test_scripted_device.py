"""`--device scripted:FILE`: whole searches without a compiler or a clock, told as what they are."""

import json
from pathlib import Path

import pytest

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
SCRIPT = """
peak = 1.0e9
jitter = 0.003
[vendor]
call_s = 0.002
[[candidates]]
match = "broken"
call_s = 0.1
events = [{ mistake = "C[0,0] is 1" }]
[[candidates]]
call_s = 0.1
[[factors]]
match = "fast"
factor = 0.1
"""
KERNEL = "void matmul(const float *A, const float *B, float *C, int M, int N, int K) { /* %s */ }\n"


@pytest.fixture
def search(cli, tmp_path):
    """Search the kernels of a folder on a scripted device."""
    (tmp_path / "card.toml").write_text(SCRIPT)
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    for number, word in enumerate(("broken", "slow", "fast")):
        (kernels / f"{number}.c").write_text(KERNEL % word)
    options = ["--device", "scripted:card.toml", "--proposer", "folder:kernels", "--attempts", "4"]
    return lambda name: cli("run", str(SMALL), *options, "--name", name, "--json")


def times(done) -> list[float]:
    shown = json.loads(done.stdout)
    return [a["time_us"] for a in shown["attempts"] if a["time_us"]]


def test_a_whole_search_runs_by_script_and_says_so(cli, search):
    done = search("night")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["measured_on"], summary["passed"]) == ("scripted", 3)
    text = cli("show", "night")
    assert "a script gave these numbers, and nothing was measured" in text.stdout
    assert "incorrect" in text.stdout
    assert json.loads(cli("show", "night", "--json").stdout)["run"]["device"]["kind"] == "scripted"


def test_the_same_script_gives_the_same_numbers(cli, search):
    search("one"), search("other")
    one, other = (times(cli("show", name, "--json")) for name in ("one", "other"))
    assert one == other
    assert len(set(one)) == 3


def test_a_run_goes_on_with_the_script_it_was_started_with(cli, search, tmp_path):
    search("night")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = cli("resume", "night", "--attempts", "1", "--db", "../runs/attempts.db", "--json", folder=elsewhere)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["measured_on"] == "scripted"


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cuda:7", "--device cuda:7: must be scripted:FILE"),
        ("scripted:", "--device scripted:"),
        ("scripted:none.toml", "no such file"),
    ],
)
def test_another_device_is_refused_with_one_line(cli, device, said):
    done = cli("run", str(SMALL), "--device", device)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("peak = 'high'", "peak: a number above 0 is wanted, not 'high'"),
        ("peak = 0.0", "peak: a number above 0 is wanted"),
        ("set_s = 0", "set_s: a number above 0 is wanted"),
        ("pace = 'tpu'", "pace: cpu or cuda is wanted, not 'tpu'"),
        ("peek = 1.0", "unknown key peek; known are peak"),
        ("[[candidates]]\nmatch = 'never'", "no candidate matches this source"),
        ("[[candidates]]\nmatch = '('", "candidates 0: match: a regular expression is wanted, not '('"),
        ("[[candidates]]\ncall_s = -1", "candidates 0: call_s: a number above 0 is wanted, not -1"),
        ("[[candidates]]\nevents = [{ dead = 'x' }]", "candidates 0: events 0: unknown key dead"),
        ("[[candidates]]\nevents = [{ batch = -2 }]", "events 0: batch: a whole number of at least -1 is wanted"),
        ("[vendor]\nname = 'x'", "vendor: key call_s is missing"),
        ("vendor = 3", "vendor: a table is wanted, not 3"),
        ("peak = ", "Invalid value"),
    ],
)
def test_a_script_that_is_wrong_is_one_line_that_names_the_key(cli, tmp_path, text, said):
    (tmp_path / "card.toml").write_text(text)
    done = cli("judge", str(SMALL), str(SMALL / "skeleton.c"), "--device", "scripted:card.toml")
    assert done.returncode == 2, done.stdout
    assert said in done.stderr.splitlines()[-1]


def test_a_duel_is_fought_by_script_too(cli, tmp_path):
    (tmp_path / "card.toml").write_text(SCRIPT)
    for word in ("slow", "fast"):
        (tmp_path / f"{word}.c").write_text(KERNEL % word)
    options = ["--device", "scripted:card.toml"]
    done = cli("duel", str(SMALL), "fast.c", "slow.c", "--json", *options)
    assert done.returncode == 0, done.stderr
    fought = json.loads(done.stdout)
    assert fought["faster"] == "a"
    assert fought["interval"]["low"] > 1
    assert "fast.c is faster" in cli("duel", str(SMALL), "slow.c", "fast.c", *options).stdout
