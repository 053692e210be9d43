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


def test_cases_of_public_reports():
    if not RUNNER.exists():
        warnings.warn("no cases: ../shared/faults is absent")
        return
    environment = {**os.environ, "TOOLGATE": str(TOOLGATE)}
    command = [sys.executable, RUNNER]
    run = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, env=environment, cwd=ROOT)
    lines = run.stdout.splitlines()
    failed = [line[5:] for line in lines if line.startswith("FAIL ")]
    passed = sum(line.startswith("pass ") for line in lines)
    surprises = [line for line in failed if not line.startswith(tuple(decided()))]
    assert passed >= 150 and not surprises, "\n".join([f"{passed} passed", *surprises, run.stderr[-2000:]])
    stale = [case for case in decided() if not any(line.startswith(case) for line in failed)]
    assert not stale, f"decided otherwise, but it agrees now: {stale}"
