"""A run keeps its task: it goes on, and is read, after the task's folder was deleted or edited."""

import json
import shutil


def test_a_run_goes_on_after_its_task_was_deleted(cli, scripted_own, events_of):
    shutil.rmtree(scripted_own)
    done = cli("resume", "own", "--attempts", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["asks"] == 3
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(("[", "Ctrl-C stops"))]
    assert line == f"{scripted_own}: the task is gone since own was started; the log's own copy is used"
    assert "remeasured" not in [event["kind"] for event in events_of("own")], "nothing that was measured has changed"


def test_a_run_is_read_after_its_task_was_deleted(cli, scripted_own):
    before = [cli(*command).stdout for command in READING]
    shutil.rmtree(scripted_own)
    shutil.rmtree(scripted_own.parent / "runs" / "own")
    for command, said in zip(READING, before, strict=True):
        done = cli(*command)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", said)


READING = (
    ["show", "own"], ["show", "own:1"], ["diff", "own:0", "own:1"], ["diff", "own", "own"], ["replay", "own"],
    ["best", "own"], ["runs"],
)  # fmt: skip


def test_candidates_are_measured_again_after_their_task_was_deleted(cli, scripted_own):
    shutil.rmtree(scripted_own)
    done = cli("replay", "own", "--measure", "best", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["attempts"][0]["number"] == 1


def test_a_run_goes_on_with_its_own_copy_after_its_task_was_edited(cli, scripted_own, events_of):
    digest = json.loads(cli("show", "own", "--json").stdout)["run"]["task_digest"]
    (scripted_own / "benchmark.py").write_text("this is no Python\n")
    done = cli("resume", "own", "--attempts", "1")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(("[", "Ctrl-C stops"))]
    assert line.startswith(f"{scripted_own}: the task has changed since own was started; the log's own copy is used")
    assert line.endswith("--task-from-disk goes on with the folder")
    (went_on,) = [event for event in events_of("own") if event["kind"] == "resume"]
    assert went_on["data"]["task_digest"] == digest


def test_a_copy_that_was_changed_in_the_run_s_folder_is_made_anew(cli, scripted_own):
    (copy,) = (scripted_own.parent / "runs" / "own" / "task").glob("*/mine/benchmark.py")
    copy.write_text("this is no Python\n")
    done = cli("resume", "own", "--attempts", "1")
    assert done.returncode == 0, done.stderr
    assert copy.read_bytes() == (scripted_own / "benchmark.py").read_bytes()


def test_a_run_goes_on_with_the_edited_folder_and_measures_its_best_again(cli, scripted_own, events_of):
    (scripted_own / "description.md").write_text("Something else.\n")
    before = len(events_of("own"))
    done = cli("resume", "own", "--attempts", "1", "--task-from-disk")
    assert done.returncode == 0, done.stderr
    assert "attempt 1 is measured again: the task changed" in done.stderr.splitlines()
    shown = json.loads(cli("show", "own", "--json").stdout)
    new = {event["kind"]: event["data"] for event in shown["events"][before:]}
    assert new["resume"]["task_digest"] == shown["run"]["task_digest"] == new["remeasured"]["task_digest"]
    assert new["remeasured"]["attempt"] == 1
    assert new["remeasured"]["time_us"] > 0

    shutil.rmtree(scripted_own)
    done = cli("resume", "own", "--attempts", "1")
    assert done.returncode == 0, "the edited task is kept too"
    assert "measured again" not in done.stderr
