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
    """Return one string that identifies the agent's code: its release, and after a plus sign the first 12 hexadecimal
    digits of its source's digest, `0.2.0+3fa1b2c4d5e6`.
    """
    return f"{__version__}+{_digest(paths.package_folder())[:12]}"


def templates() -> Snapshot:
    """Return the files of the prompt templates as a snapshot (a mapping from path to content, with a digest), which the
    log keeps with a run.
    """
    return snapshot_of(paths.templates_folder())


def provenance() -> Provenance:
    """Return what the log keeps with a run to identify the programs that made its figures: the agent's version, the
    digests of harness and prompt templates, and the timing policy (the constants by which candidates are timed).
    """
    return Provenance(
        program=program(),
        harness_digest=_digest(paths.harness_folder()),
        templates_digest=templates().digest,
        timing_policy=dict(timing_policy()),
    )


@cache
def _digest(folder: Path) -> str:
    """Return the digest of the source files in `folder`, as hexadecimal text; it changes when one of them does. It is
    computed once per process. The subfolder `_data/`, which an installed wheel adds to the package, is left out, so
    that a checkout has the same digest.
    """
    programs = {path: text for path, text in snapshot_of(folder).files.items() if Path(path).suffix in PROGRAMS}
    return Snapshot({path: text for path, text in programs.items() if not path.startswith(INSTALLED)}).digest
