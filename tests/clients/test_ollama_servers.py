"""The OpenAI SDK before servers that are asked in Ollama's own API, which are played with all that is odd about them.

What a server heard is checked, too: a client's wishes, the pool's keys, and how often it was asked.
"""

import base64
import contextlib
import json

import openai
import pytest

from conftest import TOOLGATE, Process, Wire, free_port, sdk, start_gateway
from families import PROSE
from scripts import PARIS, ROME, hermes
from test_openai import TOOLS, ask

THOUGHT, SYSTEM = "The weather, so the tool.", "You are a captain at sea."
BOTH = [{"name": "get_weather", "arguments": city} for city in [PARIS, ROME]]
TWO = {"thinking": THOUGHT, "text": PROSE, "tool_calls": BOTH}
ONE = json.dumps({"name": "get_weather", "arguments": PARIS})
UNREAD = f"error parsing tool call: raw='{ONE}}}', err=invalid character '}}' after top-level value"
# Read and lost by a parser that its server has for the model; asked with tools again, it would be again.
LOST = "XML syntax error on line 1: element <parameter> closed by </function>"
UNREAD_TEXT = "It's four o'clock."
BUSY = "server busy, please try again.  maximum pending requests exceeded"
TOO_LONG = "the prompt is longer than the context length currently available to the model"
STOPPED = "model runner has unexpectedly stopped"


def fails(message, status=500, **answer):
    return {"error": {"status": status, "message": message, **answer}}


HALF = {"text": "Half a word", "pieces": ["Half a", " word"]}
# What each conversation is answered, by its marker.
ANSWERS = {
    "lines": TWO,
    "done": {**TWO, "on_done": ["calls"]},
    "one-line": {**TWO, "odd": ["one-line", "same-index", "crlf", "blank-lines"]},
    "as-text": {"thinking": THOUGHT, "text": f"{PROSE}{hermes(PARIS)}\n{hermes(ROME)}"},
    "unread": fails(UNREAD),
    "unread-late": {**HALF, **fails(UNREAD, after=2)},
    "unread-text": fails(f"error parsing tool call: raw='{UNREAD_TEXT}', err=invalid character 'I'"),
    "fails-late": {**HALF, **fails("CUDA error", after=2)},
    "no-done": {**HALF, "odd": ["no-done"]},
    "busy": fails(BUSY, 503),
    "too-long": fails(TOO_LONG, 400),
    "stopped": fails(STOPPED),
    "five": {"text": "one two three four five", "pieces": ["one", " two", " three", " four", " five"]},
    "object": {"text": ONE},
    "endless": {"text": "tick tock ", "loop": True, "delay_ms": 1},
    "lost": {"text": f'{{"tool_call": {ONE}}}'},
    "always-lost": fails(LOST),
}
# Members that a model does not take whatever is told of it, and how that is refused.
REFUSED = {"tools": "native does not support tools", "think": '"native" does not support thinking'}
FAR = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/picture.png"}}
# What the models can do; none of them loads before somebody asks for it.
MODELS = {
    "native": ["completion", "tools", "thinking"],
    "plain": ["completion"],
    "switch": ["completion", "tools", "thinking"],
}
ABOUT = {"plain": {"system": SYSTEM}, "switch": {"think_levels": []}}
KEYS = {"num_ctx": 16384, "keep_alive": "30m", "truncate": False, "options": {"num_batch": 1024}}
EVERY_TIME = {"options": {"num_ctx": 16384, "num_batch": 1024}, "keep_alive": "30m", "truncate": False, "stream": True}


def script():
    refusing = lambda member: {"marker": f"no-{member}", "anywhere": f'"{member}":'}
    answers = [{"when": refusing(member), **fails(words, 400)} for member, words in REFUSED.items()]
    answers += [{"when": {"marker": "lost", "anywhere": '"tools":'}, **fails(LOST)}]
    answers += [{"when": {"marker": marker}, **answer} for marker, answer in ANSWERS.items()]
    models = {name: {"about": {"capabilities": can, **ABOUT.get(name, {})}} for name, can in MODELS.items()}
    template = "{{ range .Messages }}{{ .ToolCalls }}{{ end }}<tool_call>"
    answers += [{"text": "Hello!"}]
    return {"models": models, "chat_template": template, "answers": answers, "places": 0, "slots": 1}


class House:
    """A gateway before an Ollama that is played; each is new, so that it remembers nothing."""

    def __init__(self, folder, close, **more):
        (folder / "script.yaml").write_text(json.dumps({**script(), **more}))
        self.box = Wire(f"http://127.0.0.1:{free_port()}")
        command = [TOOLGATE, "mock", "--api", "ollama", "--listen", self.box.netloc, "--script", folder / "script.yaml"]
        mock = Process(command, folder / "mock.log")
        close.callback(mock.stop)
        mock.wait_for("the mock", lambda: self.box.answers("/api/version"))
        pool = {"name": "boxes", "peers": [self.box.url], "ollama": KEYS}
        gateway, self.wire, self.admin = start_gateway(folder, {"pools": [pool]})
        close.callback(gateway.stop)
        self.client = close.enter_context(sdk(self.wire))

    def hears(self, ask):
        """What comes of a request, and the chats that the server hears for it."""
        before, answer, after = self.box.get("/mock/heard"), ask(), self.box.get("/mock/heard")
        # No more than the last hundred requests are told, so what was told before may have lost its first.
        kept = next(before[lost:] for lost in range(len(before) + 1) if after[: len(before) - lost] == before[lost:])
        heard = after[len(kept) :]
        assert "/v1/chat/completions" not in [each["target"] for each in heard]
        return answer, [each["body"] for each in heard if each["target"] == "/api/chat"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with contextlib.ExitStack() as close:
        yield House(tmp_path_factory.mktemp("ollama-servers"), close)


@pytest.fixture
def fresh(tmp_path):
    with contextlib.ExitStack() as close:
        yield House(tmp_path, close)


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request):
    return request.param


def chat(house, streamed, marker, model="native", **more):
    """One answer of the SDK's, whole or put together by it: its choice, and what it thought."""
    create = house.client.chat.completions.create
    request = {"model": model, "messages": ask(marker), **more}
    if not streamed:
        choice = create(**request).choices[0]
        return choice, getattr(choice.message, "reasoning_content", None)
    with house.client.chat.completions.stream(**request) as events:
        thoughts = ""
        for event in events:
            if event.type == "chunk" and event.chunk.choices:
                thoughts += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
        return events.get_final_completion().choices[0], thoughts or None


def calls(choice):
    found = choice.message.tool_calls or []
    assert all(call.type == "function" and call.id for call in found)
    assert len({call.id for call in found}) == len(found)
    return [{"name": call.function.name, "arguments": json.loads(call.function.arguments)} for call in found]


@pytest.mark.parametrize("marker", ["lines", "done", "one-line", "as-text"])
def test_calls_come_as_openais_however_the_server_tells_them(house, streamed, marker):
    choice, thoughts = chat(house, streamed, marker, tools=TOOLS)
    assert (calls(choice), choice.finish_reason) == (BOTH, "tool_calls")
    assert (choice.message.content, thoughts) == (PROSE, THOUGHT)


def test_a_second_turn_goes_up_in_the_servers_words(house, streamed):
    first, thoughts = chat(house, streamed, "lines", tools=TOOLS)
    function = lambda call: {"name": call.function.name, "arguments": call.function.arguments}
    asked = [{"id": call.id, "type": "function", "function": function(call)} for call in first.message.tool_calls]
    turn = {"role": "assistant", "content": PROSE, "reasoning_content": thoughts, "tool_calls": asked}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "18 degrees [[none]]"} for call in asked]
    messages = [*ask("lines"), turn, *results, {"role": "user", "content": "[[none]]"}]
    request = {"model": "native", "messages": messages, "tools": TOOLS, "stream": streamed}
    answer, [heard] = house.hears(lambda: house.client.chat.completions.create(**request))
    if streamed:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == "Hello!"
    else:
        assert answer.choices[0].message.content == "Hello!"
    numbered = [
        {"id": call["id"], "function": {"index": index, "name": "get_weather", "arguments": each["arguments"]}}
        for index, (call, each) in enumerate(zip(asked, BOTH, strict=True))
    ]
    assert heard["messages"][1] == {"role": "assistant", "content": PROSE, "thinking": thoughts, "tool_calls": numbered}
    result = {"role": "tool", "tool_name": "get_weather", "content": "18 degrees [[none]]"}
    assert heard["messages"][2:4] == [{**result, "tool_call_id": call["id"]} for call in asked]


def test_a_model_without_tools_is_offered_them_in_its_prompt(house, streamed):
    """Its Modelfile's own words stay: they would go with the first system message that a request brings."""
    (choice, _), [heard] = house.hears(lambda: chat(house, streamed, "as-text", "plain", tools=TOOLS))
    assert (calls(choice), choice.finish_reason, choice.message.content) == (BOTH, "tool_calls", PROSE)
    assert "tools" not in heard
    system = heard["messages"][0]
    assert system["role"] == "system" and system["content"].startswith(SYSTEM) and "get_weather" in system["content"]


@pytest.mark.parametrize(
    "model, marker, request_, member, told",
    [
        ("native", "no-tools", {"tools": TOOLS}, "tools", [TOOLS, None]),
        ("native", "no-think", {"reasoning_effort": "high"}, "think", ["high", None]),
        ("switch", "none", {"reasoning_effort": "high"}, "think", ["high", True]),
    ],
    ids=["tools", "thinking", "level"],
)
def test_what_a_model_does_not_take_is_left_out_and_remembered(fresh, streamed, model, marker, request_, member, told):
    """The client never hears of the refusal."""
    asking = lambda: chat(fresh, streamed, marker, model, **request_)[0].message.content
    answer, heard = fresh.hears(asking)
    assert (answer, [each.get(member) for each in heard]) == ("Hello!", told)
    answer, heard = fresh.hears(asking)
    assert (answer, [each.get(member) for each in heard]) == ("Hello!", told[1:])


def test_a_model_that_does_not_think_is_not_asked_to(house, streamed):
    (choice, _), [heard] = house.hears(lambda: chat(house, streamed, "none", "plain", reasoning_effort="high"))
    assert choice.message.content == "Hello!" and "think" not in heard


@pytest.mark.parametrize("marker, said", [("unread", None), ("unread-late", "Half a word")])
def test_a_call_that_the_server_could_not_read_is_one(house, streamed, marker, said):
    (choice, _), heard = house.hears(lambda: chat(house, streamed, marker, tools=TOOLS))
    assert (calls(choice), choice.finish_reason, choice.message.content) == (BOTH[:1], "tool_calls", said)
    assert len(heard) == 1


def test_a_call_that_the_servers_parser_lost_is_asked_for_in_a_form_that_it_does_not_know(house, streamed):
    (choice, _), [first, second] = house.hears(lambda: chat(house, streamed, "lost", tools=TOOLS))
    assert (calls(choice), choice.finish_reason, choice.message.content or "") == (BOTH[:1], "tool_calls", "")
    assert "tools" in first and "tools" not in second and '"tool_call"' in second["messages"][0]["content"]


def test_what_is_always_lost_is_an_error(house, streamed):
    def ask_in_vain():
        with pytest.raises(openai.InternalServerError, match="XML syntax error") as caught:
            chat(house, streamed, "always-lost", tools=TOOLS)
        return caught.value.status_code

    status, heard = house.hears(ask_in_vain)
    assert (status, ["tools" in each for each in heard]) == (502, [True, False])


def test_text_that_the_server_took_for_a_call_is_text(house, streamed):
    choice, _ = chat(house, streamed, "unread-text", tools=TOOLS)
    assert (calls(choice), choice.finish_reason, choice.message.content) == ([], "stop", UNREAD_TEXT)


@pytest.mark.parametrize(
    "marker, error, code, words",
    [
        ("busy", openai.InternalServerError, "server_busy", BUSY),
        ("too-long", openai.BadRequestError, "context_length_exceeded", TOO_LONG),
        ("stopped", openai.InternalServerError, "upstream_error", STOPPED),
    ],
)
@pytest.mark.parametrize("more", [{}, {"tools": TOOLS}], ids=["plain", "tools"])
def test_a_refusal_is_an_error_of_the_sdk(house, streamed, more, marker, error, code, words):
    with pytest.raises(error) as caught:
        chat(house, streamed, marker, **more)
    assert (caught.value.code, caught.value.body["message"]) == (code, words)
    assert caught.value.status_code == {"busy": 503, "too-long": 400, "stopped": 502}[marker]
    assert ("Retry-After" in caught.value.response.headers) == (marker == "busy")


@pytest.mark.parametrize("marker, words", [("no-done", "ended the stream"), ("fails-late", "CUDA error")])
@pytest.mark.parametrize("more", [{}, {"tools": TOOLS}], ids=["plain", "tools"])
def test_half_an_answer_is_an_error(house, more, marker, words):
    said = ""
    with pytest.raises(openai.APIError, match=words):
        for chunk in house.client.chat.completions.create(model="native", messages=ask(marker), stream=True, **more):
            said += chunk.choices[0].delta.content or ""
            assert chunk.choices[0].finish_reason is None
    assert said == "Half a word"
    with pytest.raises(openai.InternalServerError, match=words):
        chat(house, False, marker, **more)


def test_a_model_that_is_not_there_is_an_error(house, streamed):
    for more in [{}, {"tools": TOOLS}]:
        with pytest.raises(openai.NotFoundError, match="model 'nobody' not found") as caught:
            chat(house, streamed, "lines", "nobody", **more)
        assert caught.value.code == "model_not_found"


def test_what_a_client_wishes_is_told_in_the_servers_words(house, streamed):
    schema = {"type": "object", "properties": {"answer": {"enum": ["yes"]}}, "required": ["answer"]}
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    wishes = {"max_completion_tokens": 30, "temperature": 0.5, "stop": "END", "seed": 7, "response_format": form}
    _, [heard] = house.hears(lambda: chat(house, streamed, "five", **wishes, user="somebody"))
    options = {"num_predict": 30, "temperature": 0.5, "stop": ["END"], "seed": 7}
    assert heard == {
        "model": "native",
        "messages": ask("five"),
        **EVERY_TIME,
        "options": {**EVERY_TIME["options"], **options},
        "format": schema,
    }
    _, [heard] = house.hears(lambda: chat(house, streamed, "five", response_format={"type": "json_object"}))
    assert heard["format"] == "json"


def test_pictures_and_parts_go_up_as_the_server_reads_them(house, streamed):
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    parts = [{"type": "text", "text": "What is this?"}, shown, {"type": "text", "text": "[[none]]"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    _, [heard] = house.hears(lambda: chat(house, streamed, "none", messages=messages))
    said = {"role": "user", "content": "What is this?\n[[none]]", "images": [picture]}
    assert heard["messages"] == [{"role": "system", "content": "Be brief."}, said]


@pytest.mark.parametrize(
    "more, words",
    [
        ({"n": 2}, "n"),
        ({"messages": [{"role": "user", "content": [FAR]}]}, "images are not fetched"),
        ({"reasoning_effort": "frantic"}, "reasoning_effort"),
    ],
    ids=["choices", "picture", "effort"],
)
def test_what_the_server_cannot_do_is_refused_and_nobody_is_asked(house, streamed, more, words):
    def ask_in_vain():
        with pytest.raises(openai.BadRequestError, match=words):
            chat(house, streamed, "none", **more)

    assert house.hears(ask_in_vain) == (None, [])


def test_only_the_first_of_two_calls(house, streamed):
    choice, _ = chat(house, streamed, "lines", tools=TOOLS, parallel_tool_calls=False)
    assert (calls(choice), choice.finish_reason) == (BOTH[:1], "tool_calls")


@pytest.mark.parametrize("more", [{}, {"tools": TOOLS}], ids=["plain", "tools"])
def test_a_client_that_leaves_frees_its_slot(fresh, more):
    """The server has one, and nobody else would be answered."""
    create = fresh.client.chat.completions.create
    for _ in range(3):
        with create(model="native", messages=ask("endless"), stream=True, **more) as chunks:
            next(chunk for chunk in chunks if chunk.choices[0].delta.content)
    assert chat(fresh, True, "none", **more)[0].message.content == "Hello!"


@pytest.mark.parametrize("member", ["max_tokens", "max_completion_tokens"])
def test_an_answer_is_cut_off_where_it_should(house, member):
    create = lambda **more: house.client.chat.completions.create(model="native", messages=ask("five"), **more)
    choice = create(**{member: 3}).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("one two three", "length")
    choices = [chunk.choices[0] for chunk in create(stream=True, **{member: 3})]
    assert "".join(choice.delta.content or "" for choice in choices) == "one two three"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["length"]


def test_the_pools_keys_hold_for_every_request(house, streamed):
    """Another context would make the server load its model anew."""
    tools, limited = {"tools": TOOLS}, {"max_tokens": 9}
    for model, more in [("native", {}), ("native", tools), ("plain", tools), ("native", limited)]:
        _, [heard] = house.hears(lambda: chat(house, streamed, "none", model, **more))
        limit = {"num_predict": 9} if "max_tokens" in more else {}
        assert {key: heard[key] for key in EVERY_TIME} == {**EVERY_TIME, "options": {**EVERY_TIME["options"], **limit}}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_call_that_is_required_is_forced_by_a_schema(house, streamed, choice):
    """The server's own tools would keep the model from it, so they go up in the prompt."""
    (answer, _), [heard] = house.hears(lambda: chat(house, streamed, "object", tools=TOOLS, tool_choice=choice))
    assert (calls(answer), answer.message.content or "") == (BOTH[:1], "")
    assert "tools" not in heard and heard["format"]["type"] == "object"
    assert "get_weather" in heard["messages"][0]["content"]


def test_no_call_may_be_made(house, streamed):
    (choice, _), [heard] = house.hears(lambda: chat(house, streamed, "none", tools=TOOLS, tool_choice="none"))
    assert (choice.message.content, choice.finish_reason) == ("Hello!", "stop") and "tools" not in heard


def test_what_it_cost_is_told_to_who_asks(house):
    create = lambda **more: house.client.chat.completions.create(model="native", messages=ask("five"), **more)
    assert all(chunk.usage is None and chunk.choices for chunk in create(stream=True))
    *chunks, last = create(stream=True, stream_options={"include_usage": True})
    assert all(chunk.usage is None for chunk in chunks) and not last.choices
    whole = create().usage
    for usage in [last.usage, whole]:
        assert usage.completion_tokens == 5 and usage.prompt_tokens > 0
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
