"""The frameworks that agents are written with, each in an environment of its own: whole conversations with a tool.

Every client under `frameworks` holds the same talks, and what is asserted of one holds for all.
"""

import itertools
import json
import os
import subprocess

import pytest

from conftest import ROOT, TOOLGATE, Process, Wire, free_port, start_gateway
from scripts import LARGE, PARIS, ROME, SCRIPTS

FRAMEWORKS = ROOT / "tests" / "clients" / "frameworks"
CLIENTS = sorted(path.parent.name for path in FRAMEWORKS.glob("*/client.*"))
# Demands a call of one function and takes its arguments for the answer: it neither leaves a choice nor runs a tool.
EXTRACTOR = "instructor"
# What each talk begins with, what its first turn may do, and what the tool is asked.
TALKS = {
    "one-call": ("thought", "auto", [PARIS]),
    "parallel-calls": ("two", "auto", [PARIS, ROME]),
    "a-long-argument": ("large", "auto", [LARGE]),
    "a-required-call": ("thought", "required", [PARIS]),
    "calls-in-code": ("two-in-code", "auto", [PARIS, ROME]),
}
# The model of a talk, where it is another than the one that most are held with.
MODELS = {"calls-in-code": "codes", "a-dying-server": "dies"}
STREAMED = {"whole": False, "streamed": True}
# The server dies in the call of the first turn.
DIES = {"text": '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris, a town in the north', "die_after": 8}
# All talks of a client; far more than they take.
CLIENT_SECONDS = 120


@pytest.fixture(scope="module")
def house(llama, tmp_path_factory):
    """A gateway before the real server and one that dies in its answer."""
    folder = tmp_path_factory.mktemp("frameworks")
    script, port = folder / "script.yaml", free_port()
    script.write_text(json.dumps({"answers": [DIES]}))
    mock = Process([TOOLGATE, "mock", "--listen", f"127.0.0.1:{port}", "--script", script], folder / "mock.log")
    mock.wait_for("the mock", Wire(f"http://127.0.0.1:{port}").answers)
    dying = f"http://127.0.0.1:{port}"
    pools = [
        {"name": name, "models": [name], "peers": [url], "dialect": dialect, "tools": "inject"}
        for name, url, dialect in [
            ("lives", llama.url, "hermes"),
            ("codes", llama.url, "python-code"),
            ("dies", dying, "hermes"),
        ]
    ]
    gateway, wire, _ = start_gateway(folder, {"pools": pools})
    yield wire
    gateway.stop()
    mock.stop()


@pytest.fixture(scope="module", params=CLIENTS)
def outcomes(request, house):
    """What came of each talk, by its name and whether it was streamed; one process holds all of a client's."""
    held = list(itertools.product([*TALKS, "a-dying-server"], STREAMED))
    talks = []
    for name, how in held:
        script, choice, _ = TALKS.get(name, ("thought", "required" if request.param == EXTRACTOR else "auto", None))
        prompt = f"What is the weather? [[{script}]]"
        talks.append({"model": MODELS.get(name, "lives"), "prompt": prompt, "streamed": STREAMED[how], "choice": choice})
    folder = FRAMEWORKS / request.param
    python = ROOT / ".venv" / "frameworks" / request.param / "bin" / "python"
    command = ["node", "client.mjs"] if (folder / "package.json").exists() else [python, "client.py"]
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "GATEWAY": house.url, "PYTHONPATH": str(FRAMEWORKS)},
        input=json.dumps(talks),
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
    )
    assert result.returncode == 0, result.stderr
    return request.param, dict(zip(held, json.loads(result.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("how", STREAMED)
@pytest.mark.parametrize("name", TALKS)
def test_a_talk_of_two_turns(outcomes, name, how):
    client, came = outcomes
    said = None if client == EXTRACTOR else SCRIPTS["final"]
    # Some run the calls of a turn side by side, and ask in any order.
    asked = sorted(came[name, how]["asked"], key=json.dumps)
    assert {**came[name, how], "asked": asked} == {
        "asked": sorted(TALKS[name][2], key=json.dumps),
        "said": said,
        "failed": None,
    }


@pytest.mark.parametrize("how", STREAMED)
def test_a_server_that_dies_is_an_error(outcomes, how):
    _, came = outcomes
    outcome = came["a-dying-server", how]
    assert "the server failed before its answer was complete" in outcome["failed"]
    assert (outcome["asked"], outcome["said"]) == ([], None)
