"""The untrusted side on a GPU: opens the judge's memory, loads one candidate, and calls it when the doorbell rings.

    python -I -S -B FOLDER ORDERS_FD STATUS_FD INPUTS_HANDLE OUTPUTS_HANDLE CANDIDATE [PACKAGES]

It is started inside the sandbox and never sees a seed, a reference, a clock or a path of the judge's. Nothing it writes
is believed: `done` only tells the judge when to look at the outputs. The layout of orders and status is
layout.py's. CANDIDATE is a shared object with `ks_call`, or the folder of a Triton build; PACKAGES is the
folder in which Triton is found.
"""

import ctypes
import mmap
import os
import struct
import sys
from collections.abc import Callable, Iterator

from . import driver as cuda
from . import faults, packages
from .layout import (
    CALLS,
    CAPTURE,
    CAPTURED,
    DONE,
    ERROR,
    FAULT,
    IS_OUTPUT,
    MANNER,
    MAX_SIZES,
    N_BUFFERS,
    OFFSETS,
    READY,
    REPLAY,
    SEQUENCE,
    SIZES,
    STATUS_BYTES,
)

EXIT_FAULT, EXIT_LOAD = 70, 71

Call = Callable[[list[int], list[int], int], int]


def map_orders(descriptor: int) -> memoryview:
    """The judge's orders, read-only."""
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size, prot=mmap.PROT_READ)
    os.close(descriptor)
    return memoryview(memory).cast("Q")


def map_status(descriptor: int) -> mmap.mmap:
    """What the judge looks at and does not believe."""
    memory = mmap.mmap(descriptor, STATUS_BYTES)
    os.close(descriptor)
    return memory


def tell(status: mmap.mmap, word: int, value: int) -> None:
    """One aligned word."""
    struct.pack_into("<Q", status, 8 * word, value)


def shared_object(path: str) -> Call:
    """The entry of a CUDA candidate. Raises OSError, AttributeError: it cannot be loaded."""
    entry = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL).ks_call
    entry.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    entry.restype = ctypes.c_int

    def call(buffers: list[int], sizes: list[int], stream: int) -> int:
        return int(entry((ctypes.c_void_p * len(buffers))(*buffers), (ctypes.c_int64 * len(sizes))(*sizes), stream))

    return call


def triton_module(folder: str, where: str, driver: cuda.Driver, stream: int) -> Call:
    """The entry of a Triton candidate, which was compiled ahead of time."""
    packages.offer(where)
    from . import triton_driver

    return triton_driver.load(folder, driver, stream)


def calls_of(orders: memoryview, *, inputs: int, outputs: int) -> Iterator[list[int]]:
    """The pointers of one call after the other: each is read while the device works on the one before."""
    buffers = orders[N_BUFFERS]
    bases = [outputs if orders[IS_OUTPUT + b] else inputs for b in range(buffers)]
    for first in range(OFFSETS, OFFSETS + orders[CALLS] * buffers, buffers):
        yield [base + orders[first + b] for b, base in enumerate(bases)]


def sizes_of(orders: memoryview) -> list[int]:
    """At most MAX_SIZES."""
    return [orders[SIZES + i] for i in range(MAX_SIZES)]


def serve(orders: memoryview, status: mmap.mmap, *, call: Call, driver: cuda.Driver, stream: int,
          memory: tuple[int, int]) -> None:  # fmt: skip
    """Run batch after batch; the judge ends this by killing the process."""
    served, graph = 0, 0
    while True:
        wanted = orders[SEQUENCE]
        if wanted == served:
            continue
        calls, sizes = calls_of(orders, inputs=memory[0], outputs=memory[1]), sizes_of(orders)
        if orders[MANNER] == CAPTURE:
            graph = captured(calls, sizes, call=call, driver=driver, stream=stream)
            tell(status, CAPTURED, wanted if graph else 0)
        elif orders[MANNER] == REPLAY:
            driver.launch_graph(graph, stream)
        else:
            run(calls, sizes, status=status, call=call, stream=stream)
        driver.synchronize()
        served = wanted
        tell(status, DONE, served)


def run(calls: Iterator[list[int]], sizes: list[int], *, status: mmap.mmap, call: Call, stream: int) -> None:
    """One call after the other; a failed one is the last."""
    for buffers in calls:
        if code := call(buffers, sizes, stream):
            leave(status, code)


def captured(calls: Iterator[list[int]], sizes: list[int], *, call: Call, driver: cuda.Driver, stream: int) -> int:
    """The calls as a CUDA graph, ready to be launched; 0 of a candidate whose calls cannot be captured.

    A call that leaves no node behind has launched elsewhere than on the stream it was given.
    """
    driver.begin_capture(stream)
    made, code = 0, 0
    for buffers in calls:
        if code := call(buffers, sizes, stream):
            break
        made += 1
    graph = driver.end_capture(stream)
    if graph and not code and driver.graph_nodes(graph) >= made:
        return driver.instantiate(graph, stream)
    return 0


def leave(status: mmap.mmap, fault: int) -> None:
    """End with a number; the judge has the words."""
    tell(status, FAULT, fault)
    os._exit(EXIT_FAULT)


def fault_of(error: BaseException) -> int:
    """A driver's error is its code; any other exception is the candidate's own."""
    return error.code if isinstance(error, cuda.DriverError) else faults.of_exception(error)


def main() -> None:
    """Load, say that it is ready, and serve."""
    orders, status = map_orders(int(sys.argv[1])), map_status(int(sys.argv[2]))
    try:
        driver = cuda.Driver(0)
        stream = driver.stream_create()
        memory = (driver.open_ipc(bytes.fromhex(sys.argv[3])), driver.open_ipc(bytes.fromhex(sys.argv[4])))
        candidate = sys.argv[5]
        is_folder = os.path.isdir(candidate)
        call = triton_module(candidate, sys.argv[6], driver, stream) if is_folder else shared_object(candidate)
    except (OSError, AttributeError) as error:
        said = str(error).encode()[: STATUS_BYTES - 8 * ERROR - 1]
        status[8 * ERROR : 8 * ERROR + len(said)] = said
        os._exit(EXIT_LOAD)
    tell(status, READY, 1)
    try:
        serve(orders, status, call=call, driver=driver, stream=stream, memory=memory)
    except BaseException as error:  # noqa: BLE001 (a candidate's own code may raise anything, SystemExit too)
        leave(status, fault_of(error))
