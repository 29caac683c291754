"""The program of a GPU worker: map the judge's device memory, load one candidate, and run the batches that the judge
requests until the judge kills the process.

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
    """Map the memory with the judge's requests ("orders") for reading, close its file descriptor `descriptor`, and
    return a memoryview of its 64-bit words. Raises OSError if it cannot be mapped."""
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size, prot=mmap.PROT_READ)
    os.close(descriptor)
    return memoryview(memory).cast("Q")


def map_status(descriptor: int) -> mmap.mmap:
    """Map the memory in which the worker reports its progress ("status") for writing, close its file descriptor
    `descriptor`, and return the mmap object. Raises OSError if it cannot be mapped."""
    memory = mmap.mmap(descriptor, STATUS_BYTES)
    os.close(descriptor)
    return memory


def set_status(status: mmap.mmap, word: int, value: int) -> None:
    """Write the integer `value` as the 64-bit word with the index `word` (such as READY or DONE) into the status
    memory, which the judge reads; return nothing."""
    struct.pack_into("<Q", status, 8 * word, value)


def shared_object(path: str) -> Call:
    """Load a CUDA candidate from the shared object at `path`; return a function (buffer addresses, sizes, stream) that
    calls its `ks_call` once and returns a CUDA error code, 0 for success. Raises OSError if loading fails,
    AttributeError if it has no `ks_call`."""
    entry = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL).ks_call
    entry.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    entry.restype = ctypes.c_int

    def call(buffers: list[int], sizes: list[int], stream: int) -> int:
        return int(entry((ctypes.c_void_p * len(buffers))(*buffers), (ctypes.c_int64 * len(sizes))(*sizes), stream))

    return call


def triton_module(folder: str, package_folder: str, driver: cuda.Driver, stream: int) -> Call:
    """Load a Triton candidate from `folder`, the result of its build; return a function (buffer addresses, sizes,
    stream) that calls its entry once and returns 0. `package_folder` is where Triton is imported from. Raises whatever
    the candidate's module raises on import."""
    packages.offer(package_folder)
    from . import triton_driver

    return triton_driver.load(folder, driver, stream)


def calls_of(orders: memoryview, *, inputs: int, outputs: int) -> Iterator[list[int]]:
    """Yield, for each call of the requested batch, a list with the device addresses of its buffers. `orders` holds the
    judge's request as 64-bit words, with one byte offset per buffer; an offset is added to `inputs` or `outputs`, the
    device address at which that memory begins.

    The addresses are read one call at a time, while the device works on the call before.
    """
    buffers = orders[N_BUFFERS]
    bases = [outputs if orders[IS_OUTPUT + b] else inputs for b in range(buffers)]
    for first in range(OFFSETS, OFFSETS + orders[CALLS] * buffers, buffers):
        yield [base + orders[first + b] for b, base in enumerate(bases)]


def sizes_of(orders: memoryview) -> list[int]:
    """Return the size arguments of the requested batch as a list of MAX_SIZES integers, read from `orders`, the 64-bit
    words that the judge wrote. If the entry has fewer size arguments, the last integers have no meaning and are
    ignored."""
    return [orders[SIZES + i] for i in range(MAX_SIZES)]


def serve(orders: memoryview, status: mmap.mmap, *, call: Call, driver: cuda.Driver, stream: int,
          memory: tuple[int, int]) -> None:  # fmt: skip
    """Run one requested batch after the other, and report each in the memory `status`; never return, because the judge
    kills the process. `orders` holds the requests, `call` calls the candidate once on the CUDA `stream` handle, and
    `memory` is the tuple of the device addresses of inputs and outputs. Raises DriverError and whatever the candidate
    raises."""
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
    """Call the candidate once for each list of buffer addresses that `calls` yields; return nothing. `call` takes
    (buffer addresses, sizes, stream handle) and returns an error code. If it is not 0, write it into the memory
    `status` as the fault number and end the process."""
    for buffers in calls:
        if code := call(buffers, sizes, stream):
            exit_with_fault(status, code)


def capture_calls(calls: Iterator[list[int]], sizes: list[int], *, call: Call, driver: cuda.Driver, stream: int) -> int:
    """Record all calls as a CUDA graph instead of running them; return the handle of the executable graph, or 0 if a
    call fails, cannot be recorded, or leaves no node in the graph. `calls` yields one list of buffer addresses per
    call; `call` takes (buffer addresses, sizes, stream handle), calls the candidate and returns an error code.

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
    """Write the integer `fault` to the status memory and end the process at once with the exit code 70; never
    return."""
    set_status(status, FAULT, fault)
    os._exit(EXIT_FAULT)


def fault_of(error: BaseException) -> int:
    """Return the fault number (an integer that the judge can put into words) of an exception: the CUDA error code of a
    DriverError, otherwise the number of the Python exception in faults.py."""
    return error.code if isinstance(error, cuda.DriverError) else faults.of_exception(error)


def main() -> None:
    """Load the candidate, report that it is ready, and run the requested batches until the judge kills the process. If
    loading raises OSError or AttributeError, write the message to the status memory and exit with 71; other exceptions
    of loading are not caught. If the candidate raises later, write a fault number and exit with 70."""
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
