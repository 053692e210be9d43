"""What six clients of three models get from two boxes with one place each, whose models take 4 s to load.

    .venv/bin/python benches/routers.py target/release/toolgate

The boxes are the real routers of the tests, which `make test` installs. What takes longer than a minute is given up.
"""

import collections
import contextlib
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("", "llama", "routers")]
if len(sys.argv) != 2:
    raise SystemExit(__doc__)
os.environ["TOOLGATE"] = str(pathlib.Path(sys.argv[1]).resolve())

from boxes import BUILDS, Box, Models
from conftest import start_gateway
from load import ask_all, draw, wrong

PATIENCE_SECONDS = 60
LOAD_MS = 4000
REQUESTS, CLIENTS = 40, 6
SEEDS = (5, 6)
# What fails in spite of its status.
WRONG = {200: "200, calls unread or cut off"}


def measure(build, models, folder, seed):
    with contextlib.ExitStack() as running:
        boxes = [Box(build, models, folder / f"box-{n}", LOAD_MS) for n in range(2)]
        for box in boxes:
            running.callback(box.stop)
        peers = [box.wire.url for box in boxes]
        process, wire, _ = start_gateway(folder, {"pools": [{"name": "boxes", "peers": peers, "check_ms": 1000}]})
        running.callback(process.stop)
        begun = time.monotonic()
        answers = ask_all([wire], draw(seed, REQUESTS), CLIENTS, PATIENCE_SECONDS)
        seconds = time.monotonic() - begun
        return seconds, sum(len(box.loads()) for box in boxes), answers


def main():
    print("| build | seed | requests | all in, s | loads | failed | first token, s: median | worst |")
    print("|--|--|--|--|--|--|--|--|")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models = Models(folder)
        for build in BUILDS:
            for seed in SEEDS:
                seconds, loads, answers = measure(build, models, folder, seed)
                failed = collections.Counter(WRONG.get(answer.status, answer.status) for answer in wrong(answers))
                told = ", ".join(f"{count} x {status}" for status, count in failed.items()) or "none"
                first = [answer.first_token_seconds for answer in answers if answer.first_token_seconds]
                print(
                    f"| b{build} | {seed} | {len(answers)} | {seconds:.1f} | {loads} | {told} "
                    f"| {statistics.median(first):.2f} | {max(first):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
