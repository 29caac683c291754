"""Text and JSON are rendered from reports and from nothing else."""

from pathlib import Path

import pytest

import kernelsmith.report

FOLDER = Path(kernelsmith.report.__file__).parent
RENDERERS = [*sorted(path.name for path in FOLDER.glob("*_page.py")), "attempt_line.py", "summary.py", "plain.py"]
SOURCES = ("core.history", "core.attempt", "kernelsmith.log", "propose")


@pytest.mark.parametrize("name", RENDERERS)
def test_a_renderer_knows_no_history_and_no_log(name):
    imports = [line for line in (FOLDER / name).read_text().splitlines() if line.startswith(("from ", "import "))]
    assert not [line for line in imports if any(source in line for source in SOURCES)]
