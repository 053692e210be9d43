"""`tools: auto` before real llama-servers: where a server's template writes the tools, it does, and calls are read."""

import json
import subprocess

import pytest

from conftest import TOOLGATE, sdk, start_gateway, start_llama
from model import chat_template
from scripts import CALLS, LOOPS, PARIS, SCRIPTS, SIGNS
from test_openai import TOOLS, ask

WRITES = "{%- if tools %}{{- 'You have tools: ' + (tools | tojson) }}{%- endif %}"
# What the gateway is to do with tools, by what the template does with them and whose family it is.
TEMPLATES = {
    "written": ("parse", "hermes", WRITES + chat_template([*SCRIPTS, *LOOPS], SIGNS["hermes"])),
    "literal": ("parse", "gemma4", WRITES + chat_template([*SCRIPTS, *LOOPS], SIGNS["gemma4"])),
    "left-out": ("inject", "hermes", chat_template([*SCRIPTS, *LOOPS], SIGNS["hermes"])),
    "of-nobody": ("inject", "json-envelope", WRITES + chat_template([*SCRIPTS, *LOOPS], "a sign of nobody")),
}


@pytest.fixture(scope="module")
def fleet(gguf, tmp_path_factory):
    """A llama-server for each template, and the gateway before all, which is told of none."""
    folder = tmp_path_factory.mktemp("templates")
    boxes = {
        name: start_llama(gguf, folder / f"{name}.log", chat_template=template)
        for name, (_, _, template) in TEMPLATES.items()
    }
    pools = [{"name": name, "models": [name], "peers": [wire.url]} for name, (_, wire) in boxes.items()]
    server, wire, _ = start_gateway(folder, {"pools": pools})
    wire.boxes = {name: box.url for name, (_, box) in boxes.items()}
    yield wire
    server.stop()
    for box, _ in boxes.values():
        box.stop()


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("streamed", [False, True])
def test_calls_are_read_whoever_writes_the_tools(fleet, name, streamed):
    mode, dialect, _ = TEMPLATES[name]
    with sdk(fleet) as client:
        if streamed:
            with client.chat.completions.stream(model=name, messages=ask(dialect), tools=TOOLS) as events:
                choice = events.get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(model=name, messages=ask(dialect), tools=TOOLS).choices[0]
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert (calls, choice.finish_reason) == ([("get_weather", PARIS)], "tool_calls")
    assert choice.message.content == (None if dialect not in CALLS or "Let me" not in CALLS[dialect] else "Let me look.\n")
    [entry] = [entry for entry in fleet.get("/v1/models")["data"] if entry["id"] == name]
    assert (entry["toolgate"]["tools"], entry["toolgate"]["dialect"]) == (mode, dialect)


def test_a_choice_keeps_its_meaning(fleet):
    """The server is told that there is none, and writes the tools all the same."""
    for choice, found in [("none", 0), ("auto", 1), ("required", 1)]:
        _, _, body = fleet.chat(model="written", messages=ask("thought"), tools=TOOLS, tool_choice=choice)
        message = json.loads(body)["choices"][0]["message"]
        assert len(message.get("tool_calls") or []) == found, choice


def test_what_the_server_refuses_beside_tools_is_answered(fleet):
    """llama.cpp streams no tokens' probabilities beside tools."""
    for more in [{}, {"stream": True}]:
        status, _, body = fleet.chat(model="written", messages=ask("hermes"), tools=TOOLS, logprobs=True, **more)
        assert status == 200 and b"get_weather" in body and b'"error"' not in body


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_probe_says_what_the_gateway_does(fleet, name):
    mode, dialect, _ = TEMPLATES[name]
    said = subprocess.run([TOOLGATE, "probe", fleet.boxes[name]], capture_output=True, text=True, check=True).stdout
    lines = dict(line.split(maxsplit=1) for line in said.splitlines() if line)
    assert lines["server"].startswith("llama.cpp") and lines["server"].endswith("ready, 4 slots")
    assert lines["dialect"].startswith(dialect) and lines["tools"].startswith(mode)
    # None of these templates writes past calls.
    assert lines["history"].startswith("text")
    assert lines["grammar"].startswith("obeyed")
