"""What this program is, so that a log can say what made its figures."""

from functools import cache
from pathlib import Path

from kernelsmith import __version__, paths
from kernelsmith.core.contract import timing_policy
from kernelsmith.core.run import Provenance
from kernelsmith.core.snapshot import Snapshot, snapshot_of


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
    """Return the digest of a folder's programs and tables; data that the installation adds does not count."""
    found = snapshot_of(folder).files
    return Snapshot({path: text for path, text in found.items() if not path.startswith("_data/")}).digest
