"""Name this program's version and sources, so that a log can say which program made its figures."""

from functools import cache
from pathlib import Path

from kernelsmith import __version__, paths
from kernelsmith.core.contract import timing_policy
from kernelsmith.core.run import Provenance
from kernelsmith.core.snapshot import Snapshot, snapshot_of

PROGRAMS = frozenset({".py", ".c", ".cu", ".toml"})
"""Endings of the files that decide what a program does."""
INSTALLED = "_data/"
"""Where a wheel keeps harness, tasks and templates inside the agent's package."""


def program() -> str:
    """Return the release and a digest of the agent's source: `0.2.0+3fa1b2c4d5e6`."""
    return f"{__version__}+{_digest(paths.package_folder())[:12]}"


def templates() -> Snapshot:
    """Return the prompt templates."""
    return snapshot_of(paths.templates_folder())


def provenance() -> Provenance:
    """Return what would make the figures of a run that is started or resumed now."""
    return Provenance(
        program=program(),
        harness_digest=_digest(paths.harness_folder()),
        templates_digest=templates().digest,
        timing_policy=dict(timing_policy()),
    )


@cache
def _digest(folder: Path) -> str:
    """Return the digest of the programs in a folder, without what an installation puts beside them."""
    programs = {path: text for path, text in snapshot_of(folder).files.items() if Path(path).suffix in PROGRAMS}
    return Snapshot({path: text for path, text in programs.items() if not path.startswith(INSTALLED)}).digest
