"""The programs and modules that run in the sandbox together with a candidate; the judge trusts nothing that they
report.

These files import nothing else of the harness, because they are copied into the private folder of a worker or a build.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
