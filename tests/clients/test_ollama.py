"""Clients of Ollama's API before a real llama-server: the `ollama` library, sync and async, and LangChain's chat model.

What they are answered is what the model wrote, whatever way they ask for it.
"""

import asyncio
import base64
import contextlib
import json
import math
import time

import ollama
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_ollama import ChatOllama, OllamaEmbeddings

from conftest import EXCHANGE_SECONDS, TOOLGATE, Process, Wire, free_port, start_gateway, start_llama
from families import PROSE
from scripts import CALLS, LARGE, LOOPS, PARIS, ROME, SCRIPTS, SEPARATED
from test_javascript import run
from test_openai import TOOLS

MODELS = ["hermes", "python-code", "auto", "embeds", "slow", "native"]
RESULT = json.dumps({"degrees": 18, "sky": "[[final]]"})
# Every call of a turn, and what is said beside them.
TURNS = {"hermes": ([PARIS], PROSE), "two": ([PARIS, ROME], ""), "large": ([LARGE], "")}
# One of a single dot.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
# Reading some words takes it several times as long as nobody is left to hear nothing.
SLOW = {
    "model": "slow",
    "prefill_tokens_per_second": 100,
    "chat_template": "<tool_call>",
    "answers": [{"when": {"newest": "[[final]]"}, "text": SCRIPTS["final"]}, {"text": SCRIPTS["hermes"]}],
}
KEEPALIVE_MS = 20


@pytest.fixture(scope="module")
def house(llama, gguf, tmp_path_factory):
    """A gateway for Ollama's clients, before the server, one that makes vectors, and a slow one that is played."""
    folder = tmp_path_factory.mktemp("ollama")
    with contextlib.ExitStack() as close:
        embeds, vectors = start_llama(gguf, folder / "embeds.log", embedding=1, pooling_type=1, n_ctx=4096)
        close.callback(embeds.stop)
        script, slow = folder / "slow.yaml", Wire(f"http://127.0.0.1:{free_port()}")
        script.write_text(json.dumps(SLOW))
        mock = Process([TOOLGATE, "mock", "--listen", slow.netloc, "--script", script], folder / "slow.log")
        close.callback(mock.stop)
        mock.wait_for("the mock", slow.answers)
        pools = [
            {"name": "hermes", "models": ["hermes"], "dialect": "hermes", "peers": [llama.url]},
            {"name": "python-code", "models": ["python-code"], "dialect": "python-code", "peers": [llama.url]},
            {"name": "auto", "models": ["auto"], "peers": [llama.url]},
            {"name": "embeds", "models": ["embeds"], "peers": [vectors.url]},
            {"name": "slow", "models": ["slow"], "peers": [slow.url], "keepalive_ms": KEEPALIVE_MS},
            {"name": "native", "models": ["native"], "tools": "native", "peers": [slow.url]},
        ]
        gateway, wire, _ = start_gateway(folder, {"ollama_api": True, "pools": pools})
        close.callback(gateway.stop)
        wire.slow, wire.vectors = slow, vectors
        yield wire


@pytest.fixture
def client(house):
    return ollama.Client(host=house.url, timeout=EXCHANGE_SECONDS)


def ask(name):
    return [{"role": "user", "content": f"What is the weather? [[{name}]]"}]


def joined(lines):
    """An answer's lines as one message, after everything that holds for any lines has been checked."""
    lines = list(lines)
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert all(line.message.role == "assistant" and line.created_at.endswith("Z") for line in lines)
    message, last = ollama.Message(role="assistant", content=""), lines[-1]
    assert not last.message.content and not last.message.tool_calls
    for said in (line.message for line in lines):
        message.content += said.content or ""
        message.thinking = ((message.thinking or "") + said.thinking) if said.thinking else message.thinking
        message.tool_calls = [*(message.tool_calls or []), *said.tool_calls] if said.tool_calls else message.tool_calls
    last.message = message
    return last


def chat(client, streamed, **request):
    """One answer, after everything that holds for any has been checked."""
    answer = client.chat(stream=streamed, **request)
    answer = joined(answer) if streamed else answer
    assert answer.model == request["model"] and answer.done
    for count in [answer.prompt_eval_count, answer.eval_count]:
        assert isinstance(count, int) and count > 0
    for nanoseconds in [answer.total_duration, answer.load_duration, answer.prompt_eval_duration, answer.eval_duration]:
        assert isinstance(nanoseconds, int) and nanoseconds > 0
    return answer


def calls(answer):
    return [(call.function.name, dict(call.function.arguments)) for call in answer.message.tool_calls or []]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request):
    return request.param


@pytest.mark.parametrize("name", ["text", "large-code", "unknown"])
def test_text_is_what_the_model_wrote(client, streamed, name):
    answer = chat(client, streamed, model="hermes", messages=ask(name))
    assert (answer.message.content, answer.message.tool_calls, answer.done_reason) == (SCRIPTS[name], None, "stop")


@pytest.mark.parametrize("name", TURNS)
def test_two_turns(client, streamed, name):
    """The library sends results with neither the id nor the name of their call."""
    first = chat(client, streamed, model="hermes", messages=ask(name), tools=TOOLS)
    asked, said = TURNS[name]
    assert (calls(first), first.message.content or "") == ([("get_weather", city) for city in asked], said)
    assert first.done_reason == "stop"
    results = [{"role": "tool", "content": RESULT} for _ in asked]
    second = chat(client, streamed, model="hermes", messages=[*ask(name), first.message, *results], tools=TOOLS)
    assert (calls(second), second.message.content) == ([], SCRIPTS["final"])


@pytest.mark.parametrize(
    "model, name", [("auto", "hermes"), ("hermes:latest", "hermes"), ("python-code", "two-in-code")]
)
def test_calls_of_any_model_by_any_of_its_names(client, streamed, model, name):
    answer = chat(client, streamed, model=model, messages=ask(name), tools=TOOLS)
    assert calls(answer) == [("get_weather", city) for city in ([PARIS, ROME] if name == "two-in-code" else [PARIS])]


def test_a_function_is_a_tool(client):
    def get_weather(city: str, days: int) -> str:
        """The weather of the coming days.

        Args:
            city: The town.
            days: How many of them.
        """

    answer = chat(client, True, model="hermes", messages=ask("hermes"), tools=[get_weather])
    assert calls(answer) == [("get_weather", PARIS)]


@pytest.mark.parametrize("think", [None, True, False, "low"])
def test_thoughts_stand_apart(client, streamed, think):
    answer = chat(client, streamed, model="hermes", messages=ask("think"), tools=TOOLS, think=think)
    assert answer.message.thinking.strip() == "The user wants the weather."
    assert (answer.message.content, calls(answer)) == ("One moment.\n", [("get_weather", PARIS)])


def test_text_beyond_ascii(client, streamed):
    answer = chat(client, streamed, model="hermes", messages=ask("unicode"), tools=TOOLS)
    assert answer.message.content == "Grüße aus 東京 🦀👍🏽!\n"
    assert calls(answer) == [("get_weather", {"city": "München 🌧️", "days": 3})]


def test_what_some_take_for_a_lines_end_is_text(client, streamed):
    """The library's own reader of lines is one of them."""
    answer = chat(client, streamed, model="hermes", messages=ask("separators"), tools=TOOLS)
    assert answer.message.content == "One\u2028two\u2029three\u0085four.\n"
    assert calls(answer) == [("get_weather", SEPARATED)]


def test_the_format_is_held_to(client, streamed):
    """What the model knows by heart is neither JSON nor of that schema: it can write nothing but what it may."""
    schema = {"type": "object", "properties": {"answer": {"enum": ["yes"]}}, "required": ["answer"]}
    answer = chat(client, streamed, model="hermes", messages=ask("text"), format=schema)
    assert json.loads(answer.message.content) == {"answer": "yes"}
    answer = chat(client, streamed, model="hermes", messages=ask("llama3-json"), format="json")
    assert json.loads(answer.message.content) == json.loads(CALLS["llama3-json"])
    answer = chat(client, streamed, model="hermes", messages=ask("text"), format="json", options={"num_predict": 3})
    assert answer.message.content.lstrip().startswith("{")


def test_an_answer_is_cut_off_where_it_should(client, streamed):
    answer = chat(client, streamed, model="hermes", messages=ask("text"), options={"num_predict": 4, "num_ctx": 8192})
    assert (answer.done_reason, answer.eval_count) == ("length", 4)
    assert SCRIPTS["text"].startswith(answer.message.content) and answer.message.content != SCRIPTS["text"]
    answer = chat(client, streamed, model="hermes", messages=ask("text"), options={"stop": ["real"]})
    assert answer.message.content == SCRIPTS["text"].split("real")[0]


def test_a_call_that_is_cut_off_is_nobodys_to_run(client, streamed):
    answer = chat(client, streamed, model="hermes", messages=ask("cut"), tools=TOOLS, options={"num_predict": 75})
    assert (calls(answer), answer.done_reason) == ([], "length")
    assert "get_weather" in answer.message.content and "Llanfairpwllgwyngyll" in answer.message.content


@pytest.mark.parametrize(
    "status, words, request_",
    [
        (404, r"^model 'nobody' not found", {"model": "nobody"}),
        (400, r"exceeds the available context size", {"messages": ask("x" * 20_000)}),
        (500, r"image input is not supported", {"messages": [{**ask("text")[0], "images": [PICTURE]}]}),
        (400, r"option \"temperature\" must be of type float32", {"options": {"temperature": "warm"}}),
    ],
    ids=["unknown-model", "too-long", "picture", "option"],
)
def test_an_error_is_the_librarys(client, streamed, status, words, request_):
    with pytest.raises(ollama.ResponseError, match=words) as caught:
        list(client.chat(**{"model": "hermes", "messages": ask("text"), "stream": streamed, **request_}))
    assert caught.value.status_code == status


@pytest.mark.parametrize("name", LOOPS)
def test_a_client_that_leaves_frees_its_slot(client, llama, name):
    """The answer never ends. A call is told whole, so of the one that never ends nothing is heard."""
    lines = client.chat(model="hermes", messages=ask(name), tools=TOOLS if name == "loop" else None, stream=True)
    written = ""
    for line in lines:
        written += line.message.content
        if len(written) > 200:
            break
    lines.close()
    beginning, rest = LOOPS[name]
    assert written in beginning + rest * 200
    deadline = time.monotonic() + EXCHANGE_SECONDS
    while any(slot["is_processing"] for slot in llama.get("/slots")):
        assert time.monotonic() < deadline, "the server still writes"
        time.sleep(0.02)


def test_models_are_listed_and_shown(client):
    listed, running = client.list().models, client.ps().models
    assert [model.model for model in listed] == [f"{name}:latest" for name in MODELS]
    assert [model.model for model in running] == [model.model for model in listed]
    for model in listed:
        assert len(model.digest) == 64 and model.modified_at.year > 2000 and int(model.size) >= 0
    hermes = running[0]
    assert (hermes.context_length, hermes.size, hermes.size_vram) == (16384, listed[0].size, listed[0].size)
    for name in ["hermes", "hermes:latest"]:
        shown = client.show(name)
        assert shown.capabilities == ["completion", "tools", "thinking"]
        assert shown.modelinfo[shown.modelinfo["general.architecture"] + ".context_length"] == 16384
        assert "<tool_call>" in shown.template
    with pytest.raises(ollama.ResponseError, match="model 'nobody' not found"):
        client.show("nobody")


def test_models_are_there_already_and_stay(client):
    assert client.pull("hermes").status == "success"
    assert [progress.status for progress in client.pull("hermes:latest", stream=True)] == ["success"]
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        client.pull("nobody")
    for change, names in [(client.delete, ["hermes"]), (client.copy, ["hermes", "mine"]), (client.push, ["hermes"])]:
        with pytest.raises(ollama.ResponseError, match="toolgate does not manage models") as caught:
            change(*names)
        assert caught.value.status_code == 501


def test_a_model_is_loaded_and_unloaded(client):
    for keep_alive, reason in [(None, "load"), (-1, "load"), ("10m", "load"), (0, "unload")]:
        assert client.generate("hermes", keep_alive=keep_alive).done_reason == reason
        assert client.chat("hermes", keep_alive=keep_alive).done_reason == reason
    with pytest.raises(ollama.ResponseError, match="model 'nobody' not found"):
        client.generate("nobody")


@pytest.mark.parametrize(
    "request_",
    [
        {"prompt": "[[final]]", "system": "[[text]]"},
        {"prompt": "<|im_start|>assistant\n<|script:final|>", "raw": True},
    ],
    ids=["prompt", "raw"],
)
def test_a_text_is_generated(client, streamed, request_):
    answer = client.generate("hermes", stream=streamed, **request_)
    lines = list(answer) if streamed else [answer]
    assert "".join(line.response for line in lines) == SCRIPTS["final"]
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert (lines[-1].done_reason, lines[-1].eval_count > 5) == ("stop", True)
    assert (len(lines) > 2) == streamed


def test_texts_become_vectors(client, house):
    texts = ["one text", "another", "a third"]
    body = json.dumps({"model": "embeds", "input": texts}).encode()
    told = json.loads(house.vectors.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})[2])
    expected = [pytest.approx(each["embedding"], abs=1e-4) for each in told["data"]]
    answer = client.embed("embeds", texts)
    assert list(answer.embeddings) == expected
    assert [round(math.hypot(*vector), 3) for vector in answer.embeddings] == [1, 1, 1]
    assert (answer.model, answer.prompt_eval_count) == ("embeds", told["usage"]["prompt_tokens"])
    assert answer.total_duration > 0
    assert OllamaEmbeddings(model="embeds", base_url=house.url).embed_documents(texts) == expected
    one = client.embed("embeds", texts[0]).embeddings[0]
    assert client.embeddings("embeds", texts[0]).embedding == pytest.approx(one, abs=1e-4)
    with pytest.raises(ollama.ResponseError, match="does not support embeddings"):
        client.embed("hermes", texts)


def heard(house):
    """The messages of each chat that the slow server has heard."""
    return [each["body"]["messages"] for each in house.slow.get("/mock/heard") if "chat" in each["target"]]


def test_a_history_reads_the_same_each_time(client, house):
    """Else no server would find any of it in its cache. The library sends no ids, so they are made."""
    call = {"function": {"name": "get_weather", "arguments": PARIS}}
    results = [{"role": "tool", "content": "[[final]]"}] * 2
    turn = [{"role": "assistant", "content": "", "tool_calls": [call, call]}, *results]
    before = len(heard(house))
    for messages in [[*ask("x"), *turn]] * 2 + [[*ask("x"), *turn, *turn]]:
        assert client.chat("native", messages).message.content == SCRIPTS["final"]
    first, second, longer = heard(house)[before:]
    assert first == second == longer[:4]
    ids = [call["id"] for message in longer for call in message.get("tool_calls", [])]
    assert [message["tool_call_id"] for message in longer if message["role"] == "tool"] == ids
    assert len(set(ids)) == 4


def test_who_waits_hears_lines_that_say_nothing(client, house):
    asked = "What is the weather, and shall I take an umbrella with me when I leave the house?"
    lines = list(client.chat("slow", [{"role": "user", "content": asked}], tools=TOOLS, stream=True))
    assert not lines[0].message.content and not lines[0].message.tool_calls and not lines[0].done
    answer = joined(lines)
    assert (calls(answer), answer.message.content) == ([("get_weather", PARIS)], PROSE)
    pieces = list(ChatOllama(model="slow", base_url=house.url).bind_tools(TOOLS).stream(asked[::-1]))
    assert "".join(piece.content for piece in pieces) == PROSE


def test_many_at_a_time(house):
    async def all_of():
        client = ollama.AsyncClient(host=house.url, timeout=EXCHANGE_SECONDS)

        async def one(name):
            lines = [line async for line in await client.chat("hermes", ask(name), tools=TOOLS, stream=True)]
            whole = await client.chat("hermes", ask(name), tools=TOOLS)
            return joined(lines), whole

        return await asyncio.gather(*map(one, TURNS), *map(one, TURNS))

    for name, answers in zip([*TURNS, *TURNS], asyncio.run(all_of()), strict=True):
        asked, said = TURNS[name]
        for answer in answers:
            assert (calls(answer), answer.message.content or "") == ([("get_weather", city) for city in asked], said)


def test_an_async_client_that_leaves_and_one_that_errs(house, llama):
    async def all_of():
        client = ollama.AsyncClient(host=house.url, timeout=EXCHANGE_SECONDS)
        lines = await client.chat("hermes", ask("loop"), stream=True)
        async for line in lines:
            if line.message.content:
                break
        await lines.aclose()
        with pytest.raises(ollama.ResponseError, match="model 'nobody' not found"):
            await client.chat("nobody", ask("text"))
        return (await client.list()).models, (await client.show("hermes")).capabilities

    models, capabilities = asyncio.run(all_of())
    assert len(models) == len(MODELS) and "tools" in capabilities
    deadline = time.monotonic() + EXCHANGE_SECONDS
    while any(slot["is_processing"] for slot in llama.get("/slots")):
        assert time.monotonic() < deadline, "the server still writes"
        time.sleep(0.02)


class TestLangChain:
    """LangChain's chat model, which speaks through the `ollama` library."""

    @pytest.fixture
    def model(self, house):
        wishes = {"num_ctx": 8192, "keep_alive": "5m"}
        return ChatOllama(model="hermes", base_url=house.url, validate_model_on_init=True, **wishes)

    @staticmethod
    def say(model, streamed, messages):
        if not streamed:
            return model.invoke(messages)
        pieces = list(model.stream(messages))
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        return whole

    @pytest.mark.parametrize("name", ["hermes", "two"])
    def test_two_turns(self, model, streamed, name):
        model, messages = model.bind_tools(TOOLS), [HumanMessage(ask(name)[0]["content"])]
        first = self.say(model, streamed, messages)
        asked, said = TURNS[name]
        assert ([call["args"] for call in first.tool_calls], first.content) == (asked, said)
        results = [ToolMessage(RESULT, tool_call_id=call["id"]) for call in first.tool_calls]
        turn = AIMessage(first.content, tool_calls=first.tool_calls)
        second = self.say(model, streamed, [*messages, turn, *results])
        assert (second.tool_calls, second.content) == ([], SCRIPTS["final"])
        assert second.usage_metadata["output_tokens"] > 5 and second.response_metadata["done_reason"] == "stop"

    def test_thoughts_stand_apart(self, house, streamed):
        model = ChatOllama(model="hermes", base_url=house.url, reasoning=True).bind_tools(TOOLS)
        answer = self.say(model, streamed, ask("think"))
        assert answer.additional_kwargs["reasoning_content"].strip() == "The user wants the weather."
        assert (answer.content, [call["args"] for call in answer.tool_calls]) == ("One moment.\n", [PARIS])

    def test_structured_output(self, model):
        properties = {"answer": {"enum": ["yes"]}}
        schema = {"title": "Reply", "type": "object", "properties": properties, "required": ["answer"]}
        assert model.with_structured_output(schema, method="json_schema").invoke(ask("text")) == {"answer": "yes"}

    def test_a_model_that_is_not_there_is_an_error(self, house):
        with pytest.raises(ValueError, match="nobody"):
            ChatOllama(model="nobody", base_url=house.url, validate_model_on_init=True)


def test_the_javascript_library(house):
    run("ollama.test.js", house)
