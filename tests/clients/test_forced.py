"""Calls that are required, of a model of noise behind a real llama-server: all are calls, and as their schemas say."""

import concurrent.futures
import json
import subprocess
import sys

import jsonschema
import pytest

from conftest import ROOT, start_gateway, start_llama

ANSWERS = 100
TOKENS_MAX = 4000
FORCED = ["hermes", "qwen3-coder", "gemma4", "llama3-json", "glm", "deepseek-v3.1", "kimi-k2", "lfm2", "python-code"]
NODE = {
    "type": "object",
    "properties": {"value": {"type": ["integer", "boolean"]}, "next": {"$ref": "#/$defs/node"}},
    "required": ["value"],
}
SCHEMAS = {
    "weather": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["c", "f"]}},
        "required": ["city"],
    },
    "plan": {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "minItems": 1,
                "maxItems": 3,
                "items": {
                    "type": "object",
                    "properties": {"what": {"type": "string"}, "done": {"type": "boolean"}},
                    "required": ["what", "done"],
                },
            },
            "when": {"anyOf": [{"type": "null"}, {"type": "number"}]},
        },
        "required": ["steps"],
    },
    "tree": {"type": "object", "properties": {"node": {"$ref": "#/$defs/node"}}, "required": ["node"], "$defs": {"node": NODE}},
    "ping": {"type": "object", "properties": {}},
}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()]


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A gateway before a llama-server whose model knows nothing."""
    folder = tmp_path_factory.mktemp("noise")
    model = folder / "noise.gguf"
    subprocess.run([sys.executable, ROOT / "tests" / "llama" / "model.py", model, "noise"], check=True)
    llama, wire = start_llama(model, folder / "llama.log")
    pools = [{"name": name, "models": [name], "dialect": name, "tools": "inject", "peers": [wire.url]} for name in FORCED]
    gateway, wire, admin = start_gateway(folder, {"pools": pools})
    yield wire, admin
    gateway.stop()
    llama.stop()


def answer(wire, dialect, seed, **body):
    messages = [{"role": "user", "content": "Do something."}]
    body = {"model": dialect, "messages": messages, "tools": TOOLS, "seed": seed, "max_tokens": TOKENS_MAX, **body}
    status, _, answered = wire.chat(**body)
    assert status == 200, answered
    return json.loads(answered)["choices"][0]


@pytest.mark.parametrize("dialect", FORCED)
def test_every_answer_is_calls_that_their_schemas_allow(noise, dialect):
    wire, admin = noise
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        ask = lambda seed: answer(wire, dialect, seed, tool_choice="required", parallel_tool_calls=seed % 2 == 0)
        choices = list(threads.map(ask, range(ANSWERS)))
    called = set()
    # One that noise has not ended in time is not over.
    over = [choice for choice in choices if choice["finish_reason"] != "length"]
    assert len(over) > ANSWERS * 0.8
    for choice in over:
        message = choice["message"]
        assert (choice["finish_reason"], message["content"]) == ("tool_calls", None), choice
        for call in message["tool_calls"]:
            function = call["function"]
            jsonschema.validate(json.loads(function["arguments"]), SCHEMAS[function["name"]])
            called.add(function["name"])
    assert called == set(SCHEMAS)
    metrics = admin.request("GET", "/metrics")[2].decode()
    assert f'toolgate_required_call_answers_total{{dialect="{dialect}",outcome="forced"}} {ANSWERS}\n' in metrics


@pytest.mark.parametrize("dialect", FORCED)
def test_a_named_function_is_the_one_that_is_called(noise, dialect):
    named = {"type": "function", "function": {"name": "ping"}}
    for seed in range(5):
        choice = answer(noise[0], dialect, seed, tool_choice=named, parallel_tool_calls=False)
        assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["ping"]
