"""What a user installs: the wheel, in a new environment, used from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from scripted import CARD

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel, and from this one only the libraries it depends on."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    venv.create(place / "env")
    python = place / "env" / "bin" / "python"
    (wheel,) = place.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", str(wheel)], check=True, capture_output=True, timeout=120)
    # The dependencies come from the environment that runs the tests: fetching them again would test the registry.
    libraries = Path(next(path for path in sys.path if path.endswith("site-packages")))
    target = next((place / "env" / "lib").glob("python*/site-packages"))
    for path in libraries.iterdir():
        if "kernelsmith" not in path.name and not (target / path.name).exists():
            (target / path.name).symlink_to(path)
    return python.parent


def shipped(installed: Path) -> Path:
    """Return the folder of the wheel's data."""
    return next((installed.parent / "lib").glob("python*/site-packages/kernelsmith/_data"))


def test_a_run_from_an_empty_folder_finds_task_templates_and_harness(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    work = tmp_path / "work"
    work.mkdir()

    def kernelsmith(*arguments: str) -> str:
        done = subprocess.run(
            [installed / "kernelsmith", *arguments],
            cwd=work, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "cpu_matmul" in kernelsmith("tasks")
    (work / "card.toml").write_text(CARD.replace("1.0e9", "1.0e12"))  # its product is larger
    kernelsmith("run", "cpu_matmul", "--attempts", "3", "--device", "scripted:card.toml", "--name", "first")
    shown = json.loads(kernelsmith("show", "first", "--json"))
    assert [attempt["number"] for attempt in shown["attempts"]] == [0, 1, 2]
    assert shown["attempts"][0]["status"] != "passed", "the skeleton is broken"
    assert shown["attempts"][1]["status"] == "passed"
    assert (work / "runs" / "attempts.db").is_file()
    small = shipped(installed) / "small_matmul"
    judged = json.loads(kernelsmith("judge", str(small), str(small / "families" / "1_dot.c"), "--json"))
    assert judged["status"] == "passed", "builds and workers need what the wheel holds of the harness"


def test_the_wheel_holds_no_caches_and_no_runs(installed: Path) -> None:
    package = shipped(installed)
    zoo = {"exploits", "small_matmul", "small_gpu_matmul"}
    assert {path.name for path in package.iterdir()} == {"harness", "tasks", "templates", *zoo}
    assert len(list(package.glob("exploits/*/candidate.c"))) >= 60
    assert len([path for suffix in ("cu", "py") for path in package.glob(f"exploits/*/candidate.{suffix}")]) >= 40
    assert not [path for path in package.rglob("*") if path.suffix == ".db"]
    assert shutil.which("kernelsmith", path=str(installed)) is not None
