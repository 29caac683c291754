"""What a Triton build runs in its sandbox: a candidate's host code on paper, so that its kernels are compiled.

    python -I -S -B record.py FOLDER PACKAGES

The candidate's entry is called once for each case in FOLDER/cases.json, with handles of memory that does not exist and
a driver that launches nothing: Triton compiles each kernel that is launched, into FOLDER/cache. Needs no GPU. Exit 0:
done; 1: the candidate is at fault, and the last thing on stderr says how; 2: it asks for what is not run here at all;
10 + n: it failed in case n, which is hidden, so nothing else is said.
"""

import contextlib
import ctypes
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FAULT, REJECTED, HIDDEN = 1, 2, 10
PAGE = 4096
MARK = "\x01"
"""Stands before what is to be told: other programs write to the same stream."""


class Refused(Exception):
    """The candidate asks for what is not run here."""


class PaperLaunch:
    """A launch that does not happen."""

    def __init__(self, slots: int) -> None:
        self.slots = [0] * slots
        self.addresses = [0] * slots

    def __call__(self, grid: Sequence[int], stream: int) -> None:
        pass


class PaperDriver:
    """As driver.Driver, without a GPU: memory has addresses only, code is not loaded, launches do nothing."""

    def __init__(self, attributes: dict[str, int]) -> None:
        self._attributes = {int(number): value for number, value in attributes.items()}
        self._next = 1 << 40
        self.launches = 0

    def attribute(self, number: int) -> int:
        return self._attributes.get(number, 0)

    def mem_alloc(self, size: int) -> int:
        pointer = self._next
        self._next += -(-size // PAGE) * PAGE + PAGE
        return pointer

    def zero(self, pointer: int, size: int, *, stream: int) -> None:
        pass

    def load_module(self, cubin: bytes) -> int:
        return 1

    def function(self, module: int, name: str) -> int:
        return 1

    def function_attributes(self, function: int) -> tuple[int, int, int]:
        return 0, 0, 1024

    def allow_shared(self, function: int, size: int) -> None:
        pass

    def allow_large_clusters(self, function: int) -> None:
        pass

    def prepare(self, function: int, *, slots: int, **_: Any) -> PaperLaunch:
        self.launches += 1
        return PaperLaunch(slots)

    def encode_tiled(self, **_: Any) -> Any:
        return ctypes.create_string_buffer(128)


def refuse_autotune(triton: Any) -> None:
    """Make the decorator say what to do instead: tuning needs a clock, and the judge owns the only one."""

    def autotune(configs: Sequence[Any], key: Sequence[str] = (), **_: Any) -> Any:
        names = sorted({name for config in configs for name in config.kwargs})
        told = "; ".join(str(config) for config in list(configs)[:4])
        raise Refused(
            f"@triton.autotune is not run here: it lists {len(configs)} configurations of {', '.join(names)} ({told}"
            f"{' ...' if len(configs) > 4 else ''}). Choose one, and mark what is to be swept as knobs: "
            f"`{names[0] if names else 'BLOCK'} = 128  # knob: 64 128 256`"
        )

    triton.autotune = autotune


def record(folder: Path) -> None:
    """Import the candidate and call it in every case. Raises whatever its own code raises."""
    from worker import triton_driver
    from worker.tensor import Device

    triton_driver.set_environment(folder)
    import triton

    refuse_autotune(triton)
    plan = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    signature = json.loads((folder / triton_driver.SIGNATURE).read_text(encoding="utf-8"))
    driver = PaperDriver(plan["attributes"])
    triton_driver.install(driver, stream=0)
    device = Device(driver)  # type: ignore[arg-type]
    triton.set_allocator(device.allocate)
    entry = triton_driver.Entry(triton_driver.import_candidate(folder), signature, device)
    buffers = sum(argument["role"] != "size" for argument in signature["arguments"])
    for number, case in enumerate(plan["cases"]):
        with hidden(number) if case["hidden"] else contextlib.nullcontext():
            entry([driver.mem_alloc(case["bytes"]) for _ in range(buffers)], case["sizes"])
    if not driver.launches:
        raise ValueError(f"{signature['entry']} launched no Triton kernel")


@contextlib.contextmanager
def hidden(number: int) -> Any:
    """A failure in a hidden case tells nothing but that case."""
    try:
        yield
    except BaseException:  # noqa: BLE001 (somebody's code may raise anything)
        os._exit(HIDDEN + number)


def told(error: BaseException) -> str:
    """What went wrong, and where in candidate.py."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith("candidate.py")
    ]
    if isinstance(error, SyntaxError):
        lines = [error.lineno or 0]
    place = f"candidate.py:{lines[-1]}: " if lines else ""
    names = [kind.__name__ for kind in type(error).__mro__]
    if "CompilationError" in names or "Refused" in names:
        return f"{place}{error}"
    return f"{place}{type(error).__name__}: {error}"


def main() -> int:
    """Returns the exit status."""
    folder = Path(sys.argv[1])
    sys.path[:0] = [str(folder)]
    sys.path.append(sys.argv[2])
    try:
        record(folder)
    except Refused as refused:
        print(f"{MARK}{told(refused)}", file=sys.stderr)
        return REJECTED
    except BaseException as error:  # noqa: BLE001 (somebody's code may raise anything, SystemExit too)
        print(f"{MARK}{told(error)}", file=sys.stderr)
        return FAULT
    return 0


if __name__ == "__main__":
    sys.exit(main())
