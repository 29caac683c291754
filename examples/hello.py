"""A search in one page, without the command line: the tuner on cpu_matmul, a dozen asks, and two more.

python examples/hello.py [TASK] [ASKS]
"""

import sys

import kernelsmith


def main(task: str = "cpu_matmul", asks: int = 12) -> None:
    with kernelsmith.start(task, attempts=asks) as session:
        run = session.run().run.name
    with kernelsmith.resume(run, attempts=2) as session:
        session.run()
    history = kernelsmith.history(run)
    for attempt in history.attempts:
        print(f"{attempt.number:3}  {attempt.stance:<11}  {attempt.verdict.status:<9}  {attempt.verdict.utilization}")
    print(f"`kernelsmith show {run}` and `kernelsmith best {run}` read the same log")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
