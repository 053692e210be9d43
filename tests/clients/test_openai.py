"""The OpenAI Python SDK in a conversation with tools, through the gateway to a real llama-server."""

import json
import time

import openai
import pytest

from scripts import CALLS, LARGE, LOOPS, PARIS, ROME, SCRIPTS

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of the coming days.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
]


def ask(name):
    return [{"role": "user", "content": f"What is the weather? [[{name}]]"}]


def stream(client, name, model="hermes", **more):
    """Streams one answer with the SDK's helper: the whole completion, and the pieces of arguments as they came."""
    pieces = []
    with client.chat.completions.stream(model=model, messages=ask(name), tools=TOOLS, **more) as events:
        for event in events:
            if event.type == "tool_calls.function.arguments.delta":
                pieces.append(event.arguments_delta)
        return events.get_final_completion(), pieces


def whole(client, name, model="hermes", **more):
    return client.chat.completions.create(model=model, messages=ask(name), tools=TOOLS, **more)


def calls(completion):
    """The calls of the only choice, after everything that holds for any call has been checked."""
    choice = completion.choices[0]
    found = choice.message.tool_calls or []
    assert choice.finish_reason == ("tool_calls" if found else "stop")
    assert all(call.type == "function" and call.id.startswith("call_") for call in found)
    assert len({call.id for call in found}) == len(found)
    return [(call.function.name, json.loads(call.function.arguments)) for call in found]


def second_turn(client, model, first):
    """The conversation with the call's result."""
    message = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"degrees": 18, "sky": "[[final]]"})}
        for call in message.tool_calls
    ]
    turn = message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)
    for call in turn["tool_calls"]:
        call["function"].pop("parsed_arguments", None)
    return {"model": model, "messages": [*ask(model), turn, *results], "tools": TOOLS}


@pytest.mark.parametrize("dialect", CALLS)
def test_two_turns_streamed(client, dialect):
    first, pieces = stream(client, dialect, dialect)
    assert calls(first) == [("get_weather", PARIS)]
    assert "".join(pieces) == first.choices[0].message.tool_calls[0].function.arguments
    # A statement of code may be no call until it is over, unless it is long.
    if dialect != "python-code":
        assert len([piece for piece in pieces if piece]) > 1, "the arguments came in one piece"
    prose = "Let me look.\n" if CALLS[dialect].startswith("Let me look.\n") else None
    assert (first.choices[0].message.content or None) == prose

    with client.chat.completions.stream(**second_turn(client, dialect, first)) as events:
        second = events.get_final_completion()
    assert calls(second) == []
    assert second.choices[0].message.content == SCRIPTS["final"]


@pytest.mark.parametrize("dialect", CALLS)
def test_two_turns_whole(client, dialect):
    first = whole(client, dialect, dialect)
    assert calls(first) == [("get_weather", PARIS)]
    second = client.chat.completions.create(**second_turn(client, dialect, first))
    assert calls(second) == []
    assert second.choices[0].message.content == SCRIPTS["final"]


def test_the_dialect_is_found_by_the_servers_template(client):
    assert calls(whole(client, "hermes", "auto")) == [("get_weather", PARIS)]


def test_two_calls(client):
    expected = [("get_weather", PARIS), ("get_weather", ROME)]
    assert calls(stream(client, "two")[0]) == expected
    assert calls(whole(client, "two")) == expected


def test_a_long_statement_of_code_streams(client):
    completion, pieces = stream(client, "large-code", "python-code")
    assert calls(completion) == [("get_weather", LARGE)]
    assert len([piece for piece in pieces if piece]) > 100


def test_only_the_first_of_two_calls(client):
    assert calls(stream(client, "two", parallel_tool_calls=False)[0]) == [("get_weather", PARIS)]
    assert calls(whole(client, "two", parallel_tool_calls=False)) == [("get_weather", PARIS)]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_call_that_was_demanded(client, choice):
    """The server lets the model write nothing else, so it is one that says nothing before."""
    assert calls(whole(client, "two", tool_choice=choice)) == [("get_weather", PARIS), ("get_weather", ROME)]
    assert calls(stream(client, "large", tool_choice=choice)[0]) == [("get_weather", LARGE)]


def test_reasoning_before_a_call(client):
    completion, _ = stream(client, "think")
    assert calls(completion) == [("get_weather", PARIS)]
    message = completion.choices[0].message
    assert message.content == "One moment.\n"
    chunks = client.chat.completions.create(model="hermes", messages=ask("think"), tools=TOOLS, stream=True)
    deltas = [getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == whole(client, "think").choices[0].message.reasoning_content
    assert "".join(deltas).strip() == "The user wants the weather."


def test_text_beyond_ascii(client):
    completion, _ = stream(client, "unicode")
    assert calls(completion) == [("get_weather", {"city": "München 🌧️", "days": 3})]
    assert completion.choices[0].message.content == "Grüße aus 東京 🦀👍🏽!\n"


def test_large_arguments_arrive_as_they_are_written(client):
    completion, pieces = stream(client, "large")
    assert calls(completion) == [("get_weather", LARGE)]
    assert len(pieces) > 400, "the arguments were held back"
    assert calls(whole(client, "large")) == [("get_weather", LARGE)]


@pytest.mark.parametrize("name", ["text", "unknown"])
def test_what_is_no_call_is_text(client, name):
    for completion in [stream(client, name)[0], whole(client, name)]:
        assert calls(completion) == []
        assert completion.choices[0].message.content == SCRIPTS[name]


@pytest.mark.parametrize("limit", [60, 75, 90])
def test_a_call_that_is_cut_off(client, limit):
    complete = whole(client, "cut").choices[0].message.tool_calls[0].function.arguments
    choice = whole(client, "cut", max_tokens=limit).choices[0]
    assert choice.finish_reason == "length"
    arguments = choice.message.tool_calls[0].function.arguments
    assert 0 < len(arguments) < len(complete) and complete.startswith(arguments)

    chunks = list(
        client.chat.completions.create(
            model="hermes", messages=ask("cut"), tools=TOOLS, max_tokens=limit, stream=True
        )
    )
    streamed = [call.function.arguments for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert "".join(streamed) == arguments
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"


def test_several_choices(client):
    completion = whole(client, "two", n=2)
    assert [len(choice.message.tool_calls) for choice in completion.choices] == [2, 2]
    ids = [call.id for choice in completion.choices for call in choice.message.tool_calls]
    assert len(set(ids)) == 4


def test_several_choices_streamed(client):
    # llama.cpp may begin with the second choice, at which the SDK's own helper fails.
    chunks = client.chat.completions.create(model="hermes", messages=ask("two"), tools=TOOLS, n=2, stream=True)
    arguments, reasons = {}, []
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        for call in choice.delta.tool_calls or []:
            place = choice.index, call.index
            arguments[place] = arguments.get(place, "") + call.function.arguments
        if choice.finish_reason:
            reasons.append((choice.index, choice.finish_reason))
    found = {place: json.loads(text) for place, text in arguments.items()}
    assert found == {(0, 0): PARIS, (0, 1): ROME, (1, 0): PARIS, (1, 1): ROME}
    assert sorted(reasons) == [(0, "tool_calls"), (1, "tool_calls")]


def test_usage_of_a_stream(client):
    completion, _ = stream(client, "hermes", stream_options={"include_usage": True})
    assert completion.usage.completion_tokens > 10
    assert calls(completion) == [("get_weather", PARIS)]


@pytest.mark.parametrize("name", LOOPS)
def test_a_client_that_leaves_frees_its_slot(client, llama, name):
    """The answer never ends, so what arrives was not held back."""
    written = ""
    with client.chat.completions.create(model="hermes", messages=ask(name), tools=TOOLS, stream=True) as chunks:
        for chunk in chunks:
            delta = chunk.choices[0].delta
            written += (delta.content or "") + "".join(call.function.arguments for call in delta.tool_calls or [])
            if len(written) > 200:
                break
    beginning, rest = LOOPS[name]
    assert written in beginning + rest * 200
    deadline = time.monotonic() + 10
    while any(slot["is_processing"] for slot in llama.get("/slots")):
        assert time.monotonic() < deadline, "the server still writes"
        time.sleep(0.05)


def test_an_unknown_model_is_an_error_of_the_sdk(client):
    with pytest.raises(openai.NotFoundError, match="hermes"):
        client.chat.completions.create(model="nobody", messages=ask("text"))
