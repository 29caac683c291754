"""A judge of its own for attempts at one level: without a sandbox they change who started them.

    at_level.py LEVEL    on stdin {"program": ..., "loader": [...], "attempts": [[name, target], ...]}

Says as JSON the level that was had, and what came of each attempt.
"""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    from harness.sandbox import launcher as sandbox

    asked = json.load(sys.stdin)
    isolation = sandbox.probe(at_most=sandbox.Level(int(sys.argv[1])))
    said = {" ".join(words): _said(sandbox, isolation, asked, words) for words in asked["attempts"]}
    print(json.dumps({"level": int(isolation.level), "why": isolation.why_not_higher, "said": said}))


def _said(sandbox, isolation, asked: dict, words: list[str]) -> str:
    output = os.memfd_create("output")
    with sandbox.private_folder(isolation) as folder:
        program = folder / "attempts"
        program.write_bytes(Path(asked["program"]).read_bytes())
        program.chmod(0o755)
        # An object's id is its address in this process.
        targets = [word.replace("FOLDER", str(folder)).replace("ADDRESS", str(id(asked))) for word in words]
        policy = sandbox.Policy(executable=(program, *map(Path, asked["loader"])), memory_bytes=256 << 20)
        started = sandbox.Program([program, *targets], stdout=output)
        process = sandbox.launch(started, policy, isolation=isolation, folder=folder)
        process.wait(10.0)
        process.kill()
    said = os.pread(output, 65536, 0).decode() + process.describe_end()
    os.close(output)
    return said


main()
