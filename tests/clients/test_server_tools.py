"""Tools that run on the server, before a real llama-server whose model reads, edits and searches by itself.

The client offers nothing and hears one answer; what was done shows in the files.
"""

import contextlib
import json
import re
import sys

import anthropic
import openai
import pytest

from conftest import EXCHANGE_SECONDS, start_gateway
from scripts import CITY, DAYS, SCRIPTS, in_json
from test_javascript import run
from test_mcp import SERVER, wait_until
from test_openai import TOOLS

ROUNDS = ["turn-read", "turn-edit", "turn-grep", "turn-run", "turn-done"]
WORDS = [SCRIPTS[name].split("<tool_call>")[0] for name in ROUNDS]
CALLS = ["read_file", "edit_file", "grep_search", "run_command"]
FILES = {
    "word.txt": "heron [[turn-edit]]\n",
    "other.txt": "an egret, too [[turn-run]]\n",
    "last.txt": "nothing more [[turn-done]]\n",
    "trap.txt": in_json("write_file", file_path="made.txt", content="x") + " [[turn-done]]\n",
}


@pytest.fixture(scope="module")
def house(llama, tmp_path_factory):
    """A gateway whose models may work on the files of a folder."""
    folder = tmp_path_factory.mktemp("server-tools")
    work = folder / "work"
    work.mkdir()
    pool = {"peers": [llama.url], "dialect": "hermes", "tools": "inject", "server_tools": ["*"]}
    pools = [
        {"name": "silent", "models": ["silent"], **pool},
        {"name": "always", "models": ["always"], "offer": "always", **pool},
    ]
    docs = {"name": "docs", "command": [sys.executable, str(SERVER), str(folder)]}
    tools = {"workspace": {"root": str(work), "write": True}, "commands": {"enabled": True}, "servers": [docs]}
    with contextlib.ExitStack() as close:
        server, gateway, admin = start_gateway(folder, {"pools": pools, "tools": tools})
        close.callback(server.stop)
        wait_until(lambda: metrics(admin).get('toolgate_tool_server_up{server="docs"}') == 1)
        yield gateway, admin, work


@pytest.fixture
def files(house):
    """The folder as it is before each turn."""
    work = house[2]
    for name, text in FILES.items():
        (work / name).write_text(text)
    return work


def sdk(house):
    return openai.OpenAI(base_url=f"{house[0].url}/v1", api_key="none", max_retries=0, timeout=EXCHANGE_SECONDS)


def claude(house):
    return anthropic.Anthropic(base_url=house[0].url, api_key="none", max_retries=0, timeout=EXCHANGE_SECONDS)


def ask(name):
    return [{"role": "user", "content": f"What is the word? [[{name}]]"}]


def is_edited(work):
    return (work / "word.txt").read_text() == "egret [[turn-grep]]\n" and "done" in (work / "last.txt").read_text()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_turn_of_five_rounds_is_one_answer_of_a_chat(house, files, streamed):
    request = {"model": "silent", "messages": ask("turn-read")}
    if streamed:
        with sdk(house).chat.completions.stream(**request, stream_options={"include_usage": True}) as stream:
            answer = stream.get_final_completion()
    else:
        answer = sdk(house).chat.completions.create(**request)
    [choice] = answer.choices
    assert choice.message.content == "\n\n".join(WORDS)
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 100
    assert is_edited(files)


def test_the_words_of_each_round_come_as_they_are_written(house, files):
    """Between them stands what runs, and nothing of it is left to a client that reads events."""
    request = {"model": "silent", "messages": ask("turn-read"), "stream": True}
    status, _, body = house[0].chat(**request)
    text = body.decode()
    assert status == 200 and "tool_calls" not in text
    assert re.findall(r"^: tool (\w+) running$", text, re.MULTILINE) == CALLS
    assert len(re.findall(r"^: tool \w+ done ms=\d+ bytes=\d+$", text, re.MULTILINE)) == 4
    assert text.count('"content":"First') == 1 and text.index('"content":"First') < text.index(": tool read_file running")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_turn_is_one_message_with_blocks_for_what_was_done(house, files, streamed):
    request = {"model": "silent", "max_tokens": 999, "messages": ask("turn-read")}
    if streamed:
        with claude(house).messages.stream(**request) as stream:
            message = stream.get_final_message()
    else:
        message = claude(house).messages.create(**request)
    kinds = ["text", "mcp_tool_use", "mcp_tool_result"] * 4 + ["text"]
    assert [block.type for block in message.content] == kinds
    assert [block.text for block in message.content if block.type == "text"] == WORDS
    assert [block.name for block in message.content if block.type == "mcp_tool_use"] == CALLS
    assert message.stop_reason == "end_turn" and is_edited(files)

    # The client sends all of it back, and the model goes on from what it saw.
    content = [block.model_dump(mode="json") for block in message.content]
    messages = [*request["messages"], {"role": "assistant", "content": content}, *ask("final")]
    again = claude(house).messages.create(**{**request, "messages": messages})
    assert [block.text for block in again.content] == [SCRIPTS["final"]]
    assert again.usage.cache_read_input_tokens > message.usage.input_tokens / 10


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_calls_of_both_sides(house, files, streamed):
    """The client runs its own and goes on; the model has the result of the other, which no client has seen."""
    messages = ask("turn-mixed")
    request = {"model": "always", "messages": messages, "tools": TOOLS}
    if streamed:
        with sdk(house).chat.completions.stream(**request) as stream:
            [choice] = stream.get_final_completion().choices
    else:
        [choice] = sdk(house).chat.completions.create(**request).choices
    [call] = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": CITY, "days": DAYS})
    assert choice.finish_reason == "tool_calls"
    # Its own result names no text: the hidden one does.
    said = choice.message.model_dump(mode="json", include={"role", "content", "tool_calls"})
    messages = [*messages, said, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}]
    [choice] = sdk(house).chat.completions.create(**{**request, "messages": messages}).choices
    assert choice.message.content == SCRIPTS["turn-done"]


def test_a_file_that_looks_like_a_call_is_read_and_nothing_else(house, files):
    answer = sdk(house).chat.completions.create(model="silent", messages=ask("turn-trap"))
    assert answer.choices[0].message.content.endswith(SCRIPTS["turn-done"])
    assert not (files / "made.txt").exists()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_tools_of_a_server_of_tools(house, files, streamed):
    said = ["I ask the docs. ", SCRIPTS["turn-found"]]
    if streamed:
        with sdk(house).chat.completions.stream(model="silent", messages=ask("turn-search")) as stream:
            [choice] = stream.get_final_completion().choices
    else:
        [choice] = sdk(house).chat.completions.create(model="silent", messages=ask("turn-search")).choices
    assert choice.message.content == "\n\n".join(said)
    message = claude(house).messages.create(model="silent", max_tokens=999, messages=ask("turn-search"))
    [use] = [block for block in message.content if block.type == "mcp_tool_use"]
    assert (use.server_name, use.name, use.input["limit"]) == ("docs", "search", 1)


def test_a_client_that_leaves_cancels_what_runs_for_it(house, files):
    folder = house[2].parent
    request = {"model": "silent", "messages": ask("turn-hang"), "stream": True}
    connection = house[0].begin(**request)
    wait_until(lambda: (folder / "begun").exists())
    assert not (folder / "cancelled").exists()
    connection.close()
    wait_until(lambda: (folder / "cancelled").exists())
    in_flight = "toolgate_requests_in_flight"
    wait_until(lambda: metrics(house[1])[in_flight] == 0)


def test_what_ran_is_counted(house, files):
    before = metrics(house[1])
    sdk(house).chat.completions.create(model="silent", messages=ask("turn-read"))
    after = metrics(house[1])
    for tool in CALLS:
        name = f'toolgate_tool_calls_total{{tool="{tool}",outcome="done"}}'
        assert after.get(name, 0) - before.get(name, 0) == 1
    answered = 'toolgate_requests_total{pool="silent"'
    count = lambda page: sum(value for name, value in page.items() if name.startswith(answered))
    assert count(after) - count(before) == 1, "a turn is one request"


def test_nothing_that_was_read_or_written_is_in_the_log(house, files):
    sdk(house).chat.completions.create(model="silent", messages=ask("turn-read"))
    log = (house[2].parent / "log").read_text()
    assert "tool run_command ran for" in log
    for secret in ["heron", "egret", "word.txt", "cat last", "nothing more"]:
        assert secret not in log


def metrics(admin):
    status, _, body = admin.request("GET", "/metrics")
    assert status == 200
    lines = [line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_the_javascript_sdks(house, files):
    run("server_tools.test.js", house[0])
