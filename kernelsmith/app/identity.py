"""Identify this program by its version and digests of its files, so that a log names the program behind its figures."""

from functools import cache
from pathlib import Path

from kernelsmith import __version__, paths
from kernelsmith.core.contract import timing_policy
from kernelsmith.core.run import Provenance
from kernelsmith.core.snapshot import Snapshot, snapshot_of

PROGRAMS = frozenset({".py", ".c", ".cu", ".toml"})
"""Endings of the files that enter a program's digest."""
INSTALLED = "_data/"
"""The folder inside the agent's package in which an installed wheel keeps harness, tasks and templates."""


def program() -> str:
    """Return the agent's release and the first 12 digits of its source's digest: `0.2.0+3fa1b2c4d5e6`."""
    return f"{__version__}+{_digest(paths.package_folder())[:12]}"


def templates() -> Snapshot:
    """Return the files of the prompt templates as a snapshot."""
    return snapshot_of(paths.templates_folder())


def provenance() -> Provenance:
    """Return the present versions of program, harness, templates and timing policy, to be logged with a run."""
    return Provenance(
        program=program(),
        harness_digest=_digest(paths.harness_folder()),
        templates_digest=templates().digest,
        timing_policy=dict(timing_policy()),
    )


@cache
def _digest(folder: Path) -> str:
    """Return the digest of a folder's program files, without the data folder that an installation adds."""
    programs = {path: text for path, text in snapshot_of(folder).files.items() if Path(path).suffix in PROGRAMS}
    return Snapshot({path: text for path, text in programs.items() if not path.startswith(INSTALLED)}).digest
