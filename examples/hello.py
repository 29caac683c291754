"""Search for a faster kernel from Python: the tuner answers a dozen asks on cpu_matmul, then two more after a resume.

Usage: python examples/hello.py [TASK] [ASKS]
"""

import sys

import kernelsmith


class Progress:
    """Prints one line for each attempt: `start` and `resume` call these methods while the search goes on."""

    def attempted(self, attempt):
        speed = f"{attempt.verdict.utilization:.1%} of peak" if attempt.verdict.passed else ""
        print(f"{attempt.number:3}  {attempt.stance:<11}  {attempt.verdict.status:<9}  {speed}", flush=True)

    history = asked = stage = say = lambda self, *_: None


def main(task: str = "cpu_matmul", asks: int = 12) -> None:
    print("first the judge measures this machine, for about ten seconds", flush=True)
    with kernelsmith.start(task, attempts=asks, observer=Progress()) as session:
        run = session.run().run.name
    print(f"{run}: two more asks in a second session", flush=True)
    with kernelsmith.resume(run, attempts=2, observer=Progress()) as session:
        best = session.run().incumbent
    print(f"best: attempt {best.number if best else None}; `kernelsmith show {run}` reads the same log")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
