"""Families of models behind real llama-servers, each with a chat template of its own shape that writes tools and past.

Nothing is configured: what the gateway does with tools, it has found by asking.
"""

import concurrent.futures
import contextlib
import json
import re
import subprocess

import pytest

from conftest import TOOLGATE, sdk, start_gateway, start_llama
from families import PROSE, WRITERS
from model import family_template
from scripts import LOOPS, PARIS, ROME, SCRIPTS
from test_javascript import run
from test_openai import TOOLS

# Families whose calls llama.cpp reads itself and hands on to nobody.
KEPT = ["harmony"]
# In which form past calls go up, where a template drops or refuses something of them.
PAST = {"llama3-json": "native, one call a turn", "harmony": "native, one call a turn", "lfm2": "text"}
# Families that say nothing beside a call.
SILENT = {"llama3-json", "command-a", "lfm2"}


@pytest.fixture(scope="module")
def fleet(gguf, tmp_path_factory):
    """A llama-server for each family, and the gateway before all, which is told of none."""
    folder = tmp_path_factory.mktemp("families")
    with contextlib.ExitStack() as close:
        def start(family):
            template = family_template([*SCRIPTS, *LOOPS], family)
            return start_llama(gguf, folder / f"{family}.log", chat_template=template)

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            boxes = dict(zip([*WRITERS, *KEPT], threads.map(start, [*WRITERS, *KEPT])))
        for server, _ in boxes.values():
            close.callback(server.stop)
        pools = [{"name": family, "models": [family], "peers": [box.url]} for family, (_, box) in boxes.items()]
        gateway, wire, _ = start_gateway(folder, {"pools": pools})
        close.callback(gateway.stop)
        wire.boxes = {family: box for family, (_, box) in boxes.items()}
        yield wire


@pytest.mark.parametrize("family", [*WRITERS, *KEPT])
def test_a_family_is_known_by_its_template(fleet, family):
    said = subprocess.run([TOOLGATE, "probe", fleet.boxes[family].url], capture_output=True, text=True, check=True).stdout
    lines = dict(line.split(maxsplit=1) for line in said.splitlines() if line)
    assert lines["dialect"].startswith(family)
    assert lines["tools"].startswith("native" if family in KEPT else "parse")
    assert lines["history"].startswith(PAST.get(family, "native"))


def talk(client, family, streamed, **more):
    """One answer, and the conversation as it goes on after it."""
    request = {"model": family, "tools": TOOLS, **more}
    if streamed:
        with client.chat.completions.stream(**request) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**request).choices[0]
    turn = {"role": "assistant", "content": choice.message.content}
    calls = choice.message.tool_calls or []
    if calls:
        function = lambda call: {"name": call.function.name, "arguments": call.function.arguments}
        turn["tool_calls"] = [{"id": call.id, "type": "function", "function": function(call)} for call in calls]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "18 degrees [[final]]"} for call in calls]
    return choice, [*request["messages"], turn, *results]


def said(choice):
    """What a model says; for some families llama.cpp counts the token that chose the text to the answer."""
    return re.sub(r"^<\|script:[^|]*\|>", "", choice.message.content or "")


def asked(choice):
    calls = choice.message.tool_calls or []
    assert len({call.id for call in calls}) == len(calls) and all(call.id for call in calls)
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


@pytest.mark.parametrize("family", WRITERS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_calls_and_their_results(fleet, family, streamed):
    with sdk(fleet) as client:
        begun = [{"role": "user", "content": f"What is the weather? [[{family}-calls]]"}]
        first, messages = talk(client, family, streamed, messages=begun)
        assert (asked(first), first.finish_reason) == ([("get_weather", PARIS), ("get_weather", ROME)], "tool_calls")
        assert said(first).strip() == ("" if family in SILENT else PROSE.strip())
        second, _ = talk(client, family, streamed, messages=messages)
        assert (asked(second), second.finish_reason) == ([], "stop")
        assert said(second) == SCRIPTS["final"]


@pytest.mark.parametrize("family", WRITERS)
def test_a_call_that_is_required_is_written_as_its_family_writes_it(fleet, family):
    """A grammar that did not allow the family's own text would make the model write another."""
    with sdk(fleet) as client:
        begun = [{"role": "user", "content": f"What is the weather? [[{family}-required]]"}]
        choice, _ = talk(client, family, True, messages=begun, tool_choice="required")
    assert asked(choice) == [("get_weather", PARIS), ("get_weather", ROME)]
    assert said(choice) == ""


def test_the_javascript_sdk(fleet):
    run("families.test.js", fleet)
