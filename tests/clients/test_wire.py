"""The bytes on the wire, through the gateway and from the real llama-server directly."""

import json
import re

import pytest

from test_openai import TOOLS, ask

# What differs between two answers of the same server.
VARIES = re.compile(rb'"(id)":"chatcmpl-\w+"|"(created)":\d+|"(timings)":\{[^}]*\}|"(cached_tokens)":\d+')


def steady(body):
    return VARIES.sub(rb'"\1\2\3\4"', body)


WITHOUT_TOOLS = {
    "whole": {},
    "streamed": {"stream": True},
    "usage": {"stream": True, "stream_options": {"include_usage": True}},
    "no-tools": {"stream": True, "n": 2, "tools": []},
    "none-wanted": {"stream": True, "tool_choice": "none", "tools": TOOLS},
    "cut-off": {"max_tokens": 7},
}


@pytest.mark.parametrize("name", ["hermes", "two", "think", "unicode", "large"])
@pytest.mark.parametrize("more", WITHOUT_TOOLS.values(), ids=WITHOUT_TOOLS)
def test_an_answer_without_tools_is_untouched(llama, gateway, name, more):
    request = {"model": "hermes", "messages": ask(name), **more}
    # With n=2 the choices run at once, and the order of their events is the server's own affair.
    order = sorted if request.get("n") else list
    answers = []
    for wire in [llama, gateway]:
        status, headers, body = wire.chat(**request)
        answers.append((status, headers["Content-Type"], order(steady(body).split(b"\n"))))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "/no/such/page?x=1", None),
        ("POST", "/tokenize", b'{"content": "some text"}'),
        ("POST", "/v1/chat/completions", b'{"messages": [}'),
        ("POST", "/v1/chat/completions", b'{"model": "hermes"}'),
        ("POST", "/v1/chat/completions", b'{"model": "hermes", "messages": 3, "tools": 4}'),
        ("POST", "/v1/completions", b'{"prompt": "x", "max_tokens": 0, "temperature": 0, "model": "hermes"}'),
    ],
)
def test_other_exchanges_are_untouched(llama, gateway, method, path, body):
    headers = {"Content-Type": "application/json"} if body else {}
    direct, through = (wire.request(method, path, body, headers) for wire in [llama, gateway])
    assert (through[0], steady(through[2])) == (direct[0], steady(direct[2]))


def test_every_pools_models_are_listed(gateway):
    status, _, body = gateway.request("GET", "/v1/models", None, {})
    entries = {entry["id"]: entry for entry in json.loads(body)["data"]}
    assert status == 200 and "hermes" in entries
    assert all(entry["toolgate"]["pool"] == name for name, entry in entries.items())
    assert entries["hermes"]["toolgate"]["dialect"] == "hermes"
    assert entries["hermes"]["owned_by"] == "llamacpp"


@pytest.mark.parametrize("path", ["/props", "/slots", "/slots/0?action=erase", "/metrics", "/lora-adapters"])
def test_the_servers_own_pages_are_hidden(gateway, path):
    status, _, body = gateway.request("GET", path, None, {})
    assert (status, json.loads(body)["error"]["code"]) == (404, "unknown_url")


def test_a_stream_with_calls_is_openais_protocol(gateway):
    status, headers, body = gateway.chat(model="hermes", messages=ask("two"), tools=TOOLS, stream=True)
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    events = body.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["delta"]["role"] for choice in choices if "role" in choice["delta"]] == ["assistant"]
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["tool_calls"]
    assert choices[-1]["finish_reason"] == "tool_calls"

    deltas = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    heads = [call for call in deltas if "id" in call]
    assert [(call["index"], call["type"], call["function"]["name"]) for call in heads] == [
        (0, "function", "get_weather"),
        (1, "function", "get_weather"),
    ]
    assert all(call["function"]["arguments"] == "" for call in heads)
    assert all(set(call) == {"index", "function"} for call in deltas if "id" not in call)
    assert [call["index"] for call in deltas] == sorted(call["index"] for call in deltas)
