"""The program of a GPU worker: opens the judge's memory, loads one candidate, and runs the batches that the judge
requests.

    python -I -S -B FOLDER ORDERS_FD STATUS_FD INPUTS_HANDLE OUTPUTS_HANDLE CANDIDATE [PACKAGES]

The program starts inside the sandbox. It has no access to a key, a reference, a clock of the judge, or a path of the
judge. No result depends on what it writes to `status`: `done` only says when the judge may read the outputs. layout.py
defines the words of orders and status. CANDIDATE is a shared object with the function `ks_call`, or the folder of a
Triton build; PACKAGES is the folder from which Triton is imported.
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
"""Calls the candidate once. Arguments: addresses of the buffers, sizes, stream. Returns a CUDA error code, 0 for
success."""


def map_orders(descriptor: int) -> memoryview:
    """Return the judge's orders as 64-bit words, mapped read-only from a file descriptor, which is closed."""
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size, prot=mmap.PROT_READ)
    os.close(descriptor)
    return memoryview(memory).cast("Q")


def map_status(descriptor: int) -> mmap.mmap:
    """Return the status memory, mapped writable from a file descriptor, which is closed."""
    memory = mmap.mmap(descriptor, STATUS_BYTES)
    os.close(descriptor)
    return memory


def set_status(status: mmap.mmap, word: int, value: int) -> None:
    """Write one 64-bit word of the status."""
    struct.pack_into("<Q", status, 8 * word, value)


def shared_object(path: str) -> Call:
    """Load a CUDA candidate; return a function that calls its `ks_call`. Raises OSError or AttributeError if loading
    fails."""
    entry = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL).ks_call
    entry.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    entry.restype = ctypes.c_int

    def call(buffers: list[int], sizes: list[int], stream: int) -> int:
        return int(entry((ctypes.c_void_p * len(buffers))(*buffers), (ctypes.c_int64 * len(sizes))(*sizes), stream))

    return call


def triton_module(folder: str, package_folder: str, driver: cuda.Driver, stream: int) -> Call:
    """Load a Triton candidate from the folder of its build; return a function that calls its entry once."""
    packages.offer(package_folder)
    from . import triton_driver

    return triton_driver.load(folder, driver, stream)


def calls_of(orders: memoryview, *, inputs: int, outputs: int) -> Iterator[list[int]]:
    """Yield the buffer addresses of each call of the batch. `inputs` and `outputs` are base addresses.

    The addresses are read one call at a time, while the device works on the call before.
    """
    buffers = orders[N_BUFFERS]
    bases = [outputs if orders[IS_OUTPUT + b] else inputs for b in range(buffers)]
    for first in range(OFFSETS, OFFSETS + orders[CALLS] * buffers, buffers):
        yield [base + orders[first + b] for b, base in enumerate(bases)]


def sizes_of(orders: memoryview) -> list[int]:
    """Return the size arguments, padded to MAX_SIZES values."""
    return [orders[SIZES + i] for i in range(MAX_SIZES)]


def serve(orders: memoryview, status: mmap.mmap, *, call: Call, driver: cuda.Driver, stream: int,
          memory: tuple[int, int]) -> None:  # fmt: skip
    """Run the requested batches one after the other, until the judge kills the process. `memory` is (inputs,
    outputs)."""
    done_sequence, graph = 0, 0
    while True:
        sequence = orders[SEQUENCE]
        if sequence == done_sequence:
            continue
        calls, sizes = calls_of(orders, inputs=memory[0], outputs=memory[1]), sizes_of(orders)
        if orders[MANNER] == CAPTURE:
            graph = capture_calls(calls, sizes, call=call, driver=driver, stream=stream)
            set_status(status, CAPTURED, sequence if graph else 0)
        elif orders[MANNER] == REPLAY:
            driver.launch_graph(graph, stream)
        else:
            run_calls(calls, sizes, status=status, call=call, stream=stream)
        driver.synchronize()
        done_sequence = sequence
        set_status(status, DONE, done_sequence)


def run_calls(calls: Iterator[list[int]], sizes: list[int], *, status: mmap.mmap, call: Call, stream: int) -> None:
    """Call the candidate once per list of buffers. End the process with a fault number if a call fails."""
    for buffers in calls:
        if code := call(buffers, sizes, stream):
            exit_with_fault(status, code)


def capture_calls(calls: Iterator[list[int]], sizes: list[int], *, call: Call, driver: cuda.Driver, stream: int) -> int:
    """Capture the calls as a CUDA graph; return the executable graph, or 0 if the calls cannot be captured.

    A graph with fewer nodes than calls is refused, because a call then launched on another stream than its own.
    """
    driver.begin_capture(stream)
    call_count, code = 0, 0
    for buffers in calls:
        if code := call(buffers, sizes, stream):
            break
        call_count += 1
    graph = driver.end_capture(stream)
    if graph and not code and driver.graph_nodes(graph) >= call_count:
        return driver.instantiate(graph, stream)
    return 0


def exit_with_fault(status: mmap.mmap, fault: int) -> None:
    """Write a fault number to the status and end the process."""
    set_status(status, FAULT, fault)
    os._exit(EXIT_FAULT)


def fault_of(error: BaseException) -> int:
    """Return the fault number of an exception: the code of a DriverError, or the number of any other exception."""
    return error.code if isinstance(error, cuda.DriverError) else faults.of_exception(error)


def main() -> None:
    """Run the worker: load the candidate, report that it is ready, and run the requested batches until it is killed."""
    orders, status = map_orders(int(sys.argv[1])), map_status(int(sys.argv[2]))
    try:
        driver = cuda.Driver(0)
        stream = driver.stream_create()
        memory = (driver.open_ipc(bytes.fromhex(sys.argv[3])), driver.open_ipc(bytes.fromhex(sys.argv[4])))
        candidate = sys.argv[5]
        is_folder = os.path.isdir(candidate)
        call = triton_module(candidate, sys.argv[6], driver, stream) if is_folder else shared_object(candidate)
    except (OSError, AttributeError) as error:
        message = str(error).encode()[: STATUS_BYTES - 8 * ERROR - 1]
        status[8 * ERROR : 8 * ERROR + len(message)] = message
        os._exit(EXIT_LOAD)
    set_status(status, READY, 1)
    try:
        serve(orders, status, call=call, driver=driver, stream=stream, memory=memory)
    except BaseException as error:  # noqa: BLE001 (a candidate's code may raise anything, even SystemExit)
        exit_with_fault(status, fault_of(error))
