"""Identify this program by its version and by digests of its files, so that the attempt log states which program made
its figures.
"""

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
    """Return the agent's release and the first 12 hexadecimal digits of its source's digest as one string:
    `0.2.0+3fa1b2c4d5e6`.
    """
    return f"{__version__}+{_digest(paths.package_folder())[:12]}"


def templates() -> Snapshot:
    """Return the files of the prompt templates as a snapshot: their texts by path, with a digest."""
    return snapshot_of(paths.templates_folder())


def provenance() -> Provenance:
    """Return what is logged with a run to identify its makers: the agent's version, the digests of harness and prompt
    templates, and the settings of the timing policy.
    """
    return Provenance(
        program=program(),
        harness_digest=_digest(paths.harness_folder()),
        templates_digest=templates().digest,
        timing_policy=dict(timing_policy()),
    )


@cache
def _digest(folder: Path) -> str:
    """Return the digest of the program files in `folder` as hexadecimal text, computed once per process. The data
    folder that an installation adds to the package is left out.
    """
    programs = {path: text for path, text in snapshot_of(folder).files.items() if Path(path).suffix in PROGRAMS}
    return Snapshot({path: text for path, text in programs.items() if not path.startswith(INSTALLED)}).digest
