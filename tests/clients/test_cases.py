"""Runs the cases that public bug reports taught, each of them a text or a conversation on raw sockets.

The cases stand in `../shared/faults`, seen from the project's root. A clone without them says so; the project's own
suites are complete without it. A case that one of our decisions contradicts stands in `decided_cases.txt` with it.
"""

import os
import pathlib
import subprocess
import sys
import warnings

from conftest import ROOT, TOOLGATE

RUNNER = ROOT / ".." / "shared" / "faults" / "run.py"
DECIDED = pathlib.Path(__file__).parent / "decided_cases.txt"
# All of them take half a minute.
RUN_SECONDS = 600


def decided():
    """The cases that a decision contradicts: its number, a blank, and how the case's line begins."""
    lines = [line for line in DECIDED.read_text().splitlines() if line and not line.startswith("#")]
    return [line.split(" ", 1)[1] for line in lines]


def run_cases(part=""):
    """The lines of the cases that pass, and of those that fail with the file that they stand in."""
    environment = {**os.environ, "TOOLGATE": str(TOOLGATE)}
    command = [sys.executable, RUNNER, part]
    run = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, env=environment, cwd=ROOT)
    passed, failed, file = [], {}, ""
    for line in run.stdout.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "#":
            file = rest.rpartition("/")[2]
        elif kind == "pass":
            passed.append(rest)
        elif kind == "FAIL":
            failed[rest] = file
    return passed, failed


def test_cases_of_public_reports():
    if not RUNNER.exists():
        warnings.warn("no cases: ../shared/faults is absent")
        return
    passed, failed = run_cases()
    assert len(passed) >= 150
    surprises = {line: file for line, file in failed.items() if not line.startswith(tuple(decided()))}
    # Some cases hold a time that a busy machine may miss: they have a second try.
    again = {line for file in set(surprises.values()) for line in run_cases(file)[1]}
    again = [line for line in again if not line.startswith(tuple(decided()))]
    assert not again, "\n".join(again)
    stale = [case for case in decided() if not any(line.startswith(case) for line in failed)]
    assert not stale, f"decided otherwise, but it agrees now: {stale}"
