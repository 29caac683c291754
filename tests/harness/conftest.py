"""The harness and the benchmarks are programs, not packages: their modules import each other by their own names."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "harness"), str(ROOT / "benchmarks")]
