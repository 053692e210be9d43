"""An agent that reads calls as text: a loop and a regular expression, before a real llama-server."""

import json
import re

import pytest

from scripts import CALLS, CITY, DAYS, SCRIPTS
from test_openai import TOOLS, ask

BLOCKS = {
    "xml": re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.DOTALL),
    "qwen3": re.compile(r"<\|tool_call\|>\n(.*?)\n</\|tool_call\|>", re.DOTALL),
    "llama3": re.compile(r"<function_call>\n(.*?)\n</function_call>", re.DOTALL),
    "gemma": re.compile(r"```tool_code\n(.*?)\n```", re.DOTALL),
}


def say(gateway, **request):
    """What the model says, as text, and how many deltas have calls in them."""
    status, _, body = gateway.chat(tools=TOOLS, **request)
    assert status == 200, body
    if not request["stream"]:
        return json.loads(body)["choices"][0]["message"]["content"], 0
    events = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    return text, sum("tool_calls" in delta for delta in deltas)


def run(gateway, model, name, streamed, form):
    """The agent: whatever it finds in the text it calls, and says what came of it. What it called, and the last words."""
    messages, called = ask(name), []
    for _ in range(3):
        text, structured = say(
            gateway, model=model, messages=messages, stream=streamed, agent_format=form, cache_prompt=False
        )
        assert structured == 0
        calls = [json.loads(block) for block in BLOCKS[form].findall(text)]
        if not calls:
            return called, text
        called += calls
        results = "\n".join(f"{call['name']}: 18 degrees" for call in calls)
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": f"{results} [[final]]"}]
    raise AssertionError("the agent runs in circles")


@pytest.mark.parametrize("form", BLOCKS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", CALLS)
def test_an_agent_reads_every_models_calls_in_its_own_format(gateway, model, streamed, form):
    called, last = run(gateway, model, model, streamed, form)
    assert called == [{"name": "get_weather", "arguments": {"city": CITY, "days": DAYS}}]
    assert last == SCRIPTS["final"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_several_calls_stand_behind_each_other(gateway, streamed):
    called, _ = run(gateway, "hermes", "two", streamed, "xml")
    assert [call["arguments"]["city"] for call in called] == [CITY, "Rome"]
