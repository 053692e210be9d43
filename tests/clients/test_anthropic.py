"""Clients of Anthropic's API before a real llama-server: the Python SDK, sync and async, whole and streamed.

Each streamed answer is what the same request gives whole, but for what no two answers share.
"""

import asyncio
import base64
import contextlib
import json
import re
import time

import anthropic
import pytest

from conftest import EXCHANGE_SECONDS, TOOLGATE, Process, Wire, free_port, start_gateway, start_llama
from families import PROSE
from model import family_template
from scripts import LARGE, LOOPS, PARIS, ROME, SCRIPTS
from test_javascript import run

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
TOOLS = [{"name": "get_weather", "description": "The weather of the coming days.", "input_schema": SCHEMA}]
RESULT = json.dumps({"degrees": 18, "sky": "[[final]]"})
DIALECTS = ["hermes", "qwen3-coder", "python-code", "kimi-k2"]
# Every block of a turn: a text, or the input of a call.
TURNS = {
    "hermes": [PROSE, PARIS],
    "two": [PARIS, ROME],
    "large": [LARGE],
    "unicode": ["Grüße aus 東京 🦀👍🏽!\n", {"city": "München 🌧️", "days": 3}],
}
# A picture of a single dot.
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DOT}}
PDF = base64.b64encode(b"%PDF").decode()
PAPER = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
INVALID = "invalid_request_error"
# A server that is in trouble, and one that reads so slowly that its clients have to be told to wait.
BEGUN = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris, a town in the north'
TROUBLE = {
    "chat_template": "<tool_call>",
    "answers": [
        {"when": {"newest": "[[often]]"}, "error": {"status": 429, "message": "too often"}},
        {"when": {"newest": "[[boom]]"}, "error": {"status": 500, "message": "boom"}},
        {"when": {"newest": "[[breaks]]"}, "text": BEGUN, "error": {"status": 500, "message": "boom", "after": 8}},
        {"when": {"newest": "[[dies]]"}, "text": BEGUN, "die_after": 8},
        {"text": SCRIPTS["hermes"]},
    ],
}
FULL = {"answers": [{"error": {"status": 503, "message": "no slot is free"}}]}
SLOW = {
    "prefill_tokens_per_second": 100,
    "chat_template": "<tool_call>",
    "answers": [{"text": SCRIPTS["hermes"]}],
}
KEEPALIVE_MS = 20


def play(close, folder, name, script):
    """The address of a server that is played."""
    path, played = folder / f"{name}.yaml", Wire(f"http://127.0.0.1:{free_port()}")
    path.write_text(json.dumps(script))
    mock = Process([TOOLGATE, "mock", "--listen", played.netloc, "--script", path], folder / f"{name}.log")
    close.callback(mock.stop)
    mock.wait_for("the mock", played.answers)
    return played.url


@pytest.fixture(scope="module")
def house(llama, gguf, tmp_path_factory):
    """A gateway before the server, one whose own template writes tools, and before three that are played."""
    folder = tmp_path_factory.mktemp("anthropic")
    with contextlib.ExitStack() as close:
        trouble, slow = play(close, folder, "trouble", TROUBLE), play(close, folder, "slow", SLOW)
        full = play(close, folder, "full", FULL)
        template = family_template([*SCRIPTS, *LOOPS], "hermes")
        server, parse = start_llama(gguf, folder / "parse.log", chat_template=template)
        close.callback(server.stop)
        pools = [(name, name, "inject", llama.url, {}) for name in DIALECTS]
        pools += [
            ("parse", "hermes", "parse", parse.url, {}),
            ("trouble", "hermes", "inject", trouble, {"failovers_max": 0}),
            ("slow", "hermes", "inject", slow, {"keepalive_ms": KEEPALIVE_MS}),
            ("full", "hermes", "inject", full, {"queue": {"timeout_ms": 50}}),
        ]
        config = {
            "alias": {"claude-local": "hermes"},
            "pools": [
                {"name": name, "models": [name], "dialect": dialect, "tools": tools, "peers": [peer], **more}
                for name, dialect, tools, peer, more in pools
            ],
        }
        gateway, wire, _ = start_gateway(folder, config)
        close.callback(gateway.stop)
        yield wire


@pytest.fixture
def client(house):
    with anthropic.Anthropic(base_url=house.url, api_key="none", max_retries=0, timeout=EXCHANGE_SECONDS) as client:
        yield client


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request):
    return request.param


def ask(name):
    return [{"role": "user", "content": f"What is the weather? [[{name}]]"}]


def say(client, streamed, name="text", **request):
    """One answer, after everything that holds for any has been checked."""
    request = {"model": "hermes", "max_tokens": 2000, "messages": ask(name), **request}
    if not streamed:
        return checked(client.messages.create(**request), request)
    with client.messages.stream(**request) as events:
        framed(list(events))
        return checked(events.get_final_message(), request)


def checked(message, request):
    assert (message.type, message.role, message.model) == ("message", "assistant", request["model"])
    assert message.id.startswith("msg_") and message.content and message.stop_sequence is None
    usage = message.usage
    assert usage.output_tokens > 0 and usage.input_tokens + usage.cache_read_input_tokens > 0
    assert usage.cache_creation_input_tokens == 0
    ids = [block.id for block in message.content if block.type == "tool_use"]
    assert len(set(ids)) == len(ids)
    return message


def framed(events):
    """Blocks begin and end one after the other, between the message's beginning and its end."""
    shape = [event for event in events if event.type.startswith(("message_", "content_block_"))]
    assert [event.type for event in (shape[0], *shape[-2:])] == ["message_start", "message_delta", "message_stop"]
    open_block, next_index = None, 0
    for event in shape[1:-2]:
        if event.type == "content_block_start":
            assert (open_block, event.index) == (None, next_index)
            open_block, next_index = event.index, next_index + 1
        else:
            assert event.index == open_block
            if event.type == "content_block_stop":
                open_block = None
    assert open_block is None


def blocks(message):
    """The texts, and the inputs of the calls, in order; thoughts left out."""
    found = []
    for block in message.content:
        if block.type == "tool_use":
            assert block.name == "get_weather"
            found.append(block.input)
        elif block.type == "text":
            found.append(block.text)
    return found


def results(message, **more):
    calls = [block for block in message.content if block.type == "tool_use"]
    content = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT, **more} for call in calls]
    return {"role": "user", "content": content}


def refused(client, streamed, **request):
    """The error of a request that is refused: its status, its type and its words."""
    with pytest.raises(anthropic.APIStatusError) as caught:
        say(client, streamed, **request)
    error = caught.value.body
    assert error["type"] == "error" and error["request_id"] == caught.value.request_id
    return caught.value.status_code, error["error"]["type"], error["error"]["message"]


@pytest.mark.parametrize("name", ["text", "unknown"])
def test_text_is_what_the_model_wrote(client, streamed, name):
    for tools in [TOOLS, []]:
        message = say(client, streamed, name, tools=tools)
        assert (blocks(message), message.stop_reason) == ([SCRIPTS[name]], "end_turn")


@pytest.mark.parametrize(
    "model, name, said",
    [
        ("hermes", "hermes", [PROSE, PARIS]),
        ("qwen3-coder", "qwen3-coder", [PROSE, PARIS]),
        ("python-code", "python-code", [PROSE, PARIS]),
        # Its own ids are none that this API takes.
        ("kimi-k2", "kimi-k2-calls", [PROSE, PARIS, ROME]),
        ("parse", "hermes", [PROSE, PARIS]),
        ("claude-local", "hermes", [PROSE, PARIS]),
    ],
)
def test_two_turns_in_any_dialect(client, streamed, model, name, said):
    first = say(client, streamed, name, model=model, tools=TOOLS)
    assert (blocks(first), first.stop_reason) == (said, "tool_use")
    ids = [block.id for block in first.content if block.type == "tool_use"]
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", call_id) for call_id in ids)
    messages = [*ask(name), {"role": "assistant", "content": first.content}, results(first)]
    second = say(client, streamed, model=model, tools=TOOLS, messages=messages)
    assert (blocks(second), second.stop_reason) == ([SCRIPTS["final"]], "end_turn")


@pytest.mark.parametrize("name", TURNS)
def test_blocks_stand_in_the_order_in_which_they_were_written(client, streamed, name):
    message = say(client, streamed, name, tools=TOOLS)
    assert (blocks(message), message.stop_reason) == (TURNS[name], "tool_use")


def test_arguments_come_as_they_are_written(client):
    with client.messages.stream(model="hermes", max_tokens=9000, messages=ask("large"), tools=TOOLS) as events:
        pieces = [event.partial_json for event in events if event.type == "input_json"]
    assert len(pieces) > 400 and json.loads("".join(pieces)) == LARGE


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1024}])
def test_thoughts_are_blocks_and_come_back(client, streamed, thinking):
    first = say(client, streamed, "think", tools=TOOLS, thinking=thinking)
    thought, *_ = first.content
    assert (thought.type, thought.thinking.strip()) == ("thinking", "The user wants the weather.")
    assert thought.signature
    assert blocks(first) == ["One moment.\n", PARIS]
    messages = [*ask("think"), {"role": "assistant", "content": first.content}, results(first, is_error=True)]
    assert blocks(say(client, streamed, tools=TOOLS, thinking=thinking, messages=messages)) == [SCRIPTS["final"]]


@pytest.mark.parametrize(
    "choice, expected",
    [
        ({"type": "any"}, [PARIS, ROME]),
        ({"type": "tool", "name": "get_weather"}, [PARIS, ROME]),
        ({"type": "auto", "disable_parallel_tool_use": True}, [PARIS]),
        ({"type": "any", "disable_parallel_tool_use": True}, [PARIS]),
        ({"type": "none"}, [SCRIPTS["two"]]),
    ],
    ids=["any", "tool", "auto-one", "any-one", "none"],
)
def test_a_choice_of_tools_is_kept(client, streamed, choice, expected):
    message = say(client, streamed, "two", tools=TOOLS, tool_choice=choice)
    assert blocks(message) == expected
    assert message.stop_reason == ("end_turn" if choice["type"] == "none" else "tool_use")


def test_an_answer_ends_where_it_should(client, streamed):
    message = say(client, streamed, stop_sequences=["real"])
    assert (blocks(message), message.stop_reason) == ([SCRIPTS["text"].split("real")[0]], "end_turn")
    message = say(client, streamed, max_tokens=4)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 4)
    assert SCRIPTS["text"].startswith(blocks(message)[0])


@pytest.mark.parametrize("limit", [60, 75, 90])
def test_a_call_that_is_cut_off_has_nothing_to_run_with(client, streamed, limit):
    message = say(client, streamed, "cut", tools=TOOLS, max_tokens=limit)
    assert (blocks(message), message.stop_reason) == ([{}], "max_tokens")


def test_the_sdk_runs_the_tool(client, streamed):
    asked = []

    @anthropic.beta_tool
    def get_weather(city: str, days: int) -> str:
        """The weather of the coming days.

        Args:
            city: The town.
            days: How many of them.
        """
        asked.append({"city": city, "days": days})
        return RESULT

    request = {"model": "hermes", "max_tokens": 2000, "messages": ask("two"), "tools": [get_weather]}
    if streamed:
        said = [events.get_final_message() for events in client.beta.messages.tool_runner(**request, stream=True)]
    else:
        said = list(client.beta.messages.tool_runner(**request))
    assert (asked, [len(message.content) for message in said]) == ([PARIS, ROME], [2, 1])
    assert blocks(said[-1]) == [SCRIPTS["final"]]


@pytest.mark.parametrize("model", ["hermes", "parse"])
def test_tokens_are_counted_as_the_server_will_count_them(client, model):
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": PARIS}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": RESULT}
    turn = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    for request in [
        {"messages": ask("text")},
        {"messages": ask("text"), "tools": TOOLS, "system": "You help."},
        {"messages": [*ask("text"), *turn], "tools": TOOLS, "tool_choice": {"type": "auto"}},
    ]:
        counted = client.messages.count_tokens(model=model, **request).input_tokens
        usage = client.messages.create(model=model, max_tokens=5, **request).usage
        assert counted == usage.input_tokens + usage.cache_read_input_tokens


def test_models_are_listed(client):
    names = [*DIALECTS, "parse", "trouble", "slow", "full", "claude-local"]
    models = list(client.models.list(limit=2))
    assert sorted(model.id for model in models) == sorted(names)
    assert all(model.type == "model" and model.display_name and model.created_at.year >= 1970 for model in models)
    hermes = client.models.retrieve("hermes")
    assert (hermes.id, hermes.max_input_tokens) == ("hermes", 16384)
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nobody")


@pytest.mark.parametrize(
    "expected, words, request_",
    [
        ((404, "not_found_error"), "nobody", {"model": "nobody"}),
        ((400, INVALID), "messages.0.content.0", {"messages": [{"role": "user", "content": [PICTURE]}]}),
        ((400, INVALID), "messages.0.content.0: document: PDF", {"messages": [{"role": "user", "content": [PAPER]}]}),
        ((400, INVALID), "tools.0: web_search_20250305 runs on Anthropic's servers", {"tools": [SEARCH]}),
        ((400, INVALID), "tool_choice", {"tool_choice": {"type": "any"}}),
        ((400, INVALID), "messages", {"messages": []}),
        ((529, "overloaded_error"), "", {"model": "full"}),
        ((429, "rate_limit_error"), "too often", {"model": "trouble", "name": "often"}),
        ((500, "api_error"), "boom", {"model": "trouble", "name": "boom"}),
    ],
    ids=["model", "picture", "paper", "search", "choice", "nothing", "full", "often", "boom"],
)
def test_an_error_before_the_answer_has_its_status_and_type(client, streamed, expected, words, request_):
    status, kind, message = refused(client, streamed, **request_)
    assert (status, kind) == expected and words in message


def test_a_conversation_that_is_too_long_is_told_in_the_words_that_are_looked_for(client, streamed):
    status, kind, message = refused(client, streamed, name="x" * 20_000)
    assert (status, kind) == (400, INVALID)
    assert message.startswith("prompt is too long: 20") and message.endswith(" tokens > 16384 maximum")


def test_a_picture_of_an_earlier_turn_ends_no_conversation(client, streamed):
    messages = [
        {"role": "user", "content": [PICTURE]},
        {"role": "assistant", "content": "I see nothing."},
        *ask("final"),
    ]
    assert blocks(say(client, streamed, messages=messages)) == [SCRIPTS["final"]]


@pytest.mark.parametrize(
    "name, words", [("breaks", "boom"), ("dies", "the server failed before its answer was complete")]
)
def test_an_error_in_the_answer_ends_it_and_stops_no_block(client, name, words):
    seen = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        with client.messages.stream(model="trouble", max_tokens=2000, messages=ask(name), tools=TOOLS) as events:
            seen.extend(event.type for event in events)
    error = caught.value.body["error"]
    assert (error["type"], words in error["message"]) == ("api_error", True), error
    with pytest.raises(anthropic.APIStatusError):
        say(client, False, name, model="trouble", tools=TOOLS)
    assert seen[0] == "message_start" and "content_block_start" in seen
    assert not {"content_block_stop", "message_delta", "message_stop"} & set(seen)


def test_who_waits_hears_pings_and_loses_nothing(client):
    """Its prompt takes the server several times as long as a client may hear nothing."""
    request = {"model": "slow", "max_tokens": 2000, "messages": ask("so many words " * 5), "tools": TOOLS}
    with client.messages.with_streaming_response.create(**request, stream=True) as response:
        lines = [line.removeprefix("event: ") for line in response.iter_lines() if line.startswith("event: ")]
    assert lines[:2] == ["message_start", "ping"] and lines[-1] == "message_stop"
    assert lines.count("message_start") == 1
    assert blocks(say(client, True, "so many other words " * 5, model="slow", tools=TOOLS)) == TURNS["hermes"]


@pytest.mark.parametrize("name", LOOPS)
def test_a_client_that_leaves_frees_its_slot(client, llama, name):
    """The answer never ends, so what arrives was not held back."""
    written = ""
    with client.messages.stream(model="hermes", max_tokens=15_000, messages=ask(name), tools=TOOLS) as events:
        for event in events:
            written += {"text": lambda: event.text, "input_json": lambda: event.partial_json}.get(event.type, str)()
            if len(written) > 200:
                break
    beginning, rest = LOOPS[name]
    assert written in beginning + rest * 200
    deadline = time.monotonic() + EXCHANGE_SECONDS
    while any(slot["is_processing"] for slot in llama.get("/slots")):
        assert time.monotonic() < deadline, "the server still writes"
        time.sleep(0.02)


def test_many_at_a_time(house):
    async def all_of():
        async with anthropic.AsyncAnthropic(
            base_url=house.url, api_key="none", max_retries=0, timeout=EXCHANGE_SECONDS
        ) as client:

            async def one(name):
                request = {"model": "hermes", "max_tokens": 9000, "messages": ask(name), "tools": TOOLS}
                async with client.messages.stream(**request) as events:
                    return await events.get_final_message(), await client.messages.create(**request)

            return await asyncio.gather(*map(one, TURNS), *map(one, TURNS))

    for name, answers in zip([*TURNS, *TURNS], asyncio.run(all_of()), strict=True):
        assert [blocks(answer) for answer in answers] == [TURNS[name]] * 2


def test_the_javascript_sdk(house):
    run("anthropic.test.js", house)
