"""The untrusted side: what runs in the sandbox beside a candidate.

These files import nothing of the judge's, for they are copied into the private folder of a worker or of a build.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
