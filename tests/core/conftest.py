"""The harness is a program, not a package: the tests that hold both programs together import its modules by name."""

import sys

from kernelsmith import paths

sys.path.insert(0, str(paths.harness_folder()))
