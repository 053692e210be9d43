"""Apple's mlx_lm as the server, on the processor: the texts of the test model through another engine than llama.cpp.

It lists its model by the folder and answers to `default_model`; for any other name it would ask Hugging Face.
"""

import contextlib
import json
import os
import subprocess
import sys

import ollama
import pytest

from conftest import EXCHANGE_SECONDS, ROOT, TOOLGATE, Process, Wire, free_port, sdk, start_gateway
from families import PROSE
from scripts import LOOPS, PARIS, ROME, SCRIPTS, SEPARATED
from test_openai import TOOLS, ask, calls, second_turn

ASKED = {
    "hermes": ([PARIS], PROSE),
    "two": ([PARIS, ROME], ""),
    "think": ([PARIS], "One moment.\n"),
    "separators": ([SEPARATED], "One\u2028two\u2029three\u0085four.\n"),
}


@pytest.fixture(scope="module")
def mlx(gguf, tmp_path_factory):
    """The server, with nothing but this model, and no way to any other."""
    folder = tmp_path_factory.mktemp("mlx")
    (folder / "hub").mkdir()
    subprocess.run([sys.executable, ROOT / "tests" / "llama" / "folder.py", gguf, folder / "model"], check=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder)}
    wire = Wire(f"http://127.0.0.1:{free_port()}")
    port = wire.netloc.split(":")[1]
    command = [sys.executable, "-m", "mlx_lm", "server", "--model", folder / "model", "--port", port]
    server = Process(command, folder / "log", environment)
    server.wait_for("mlx_lm", wire.answers)
    yield wire
    server.stop()


@pytest.fixture(scope="module")
def house(mlx, tmp_path_factory):
    """A gateway that is not told what its server is."""
    pools = [{"name": "mlx", "models": ["default_model"], "dialect": "hermes", "peers": [mlx.url]}]
    config = {"alias": {"hermes": "default_model"}, "ollama_api": True, "pools": pools}
    server, wire, _ = start_gateway(tmp_path_factory.mktemp("mlx-gateway"), config)
    yield wire
    server.stop()


@pytest.fixture
def client(house):
    with sdk(house) as client:
        yield client


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request):
    return request.param


def talk(client, streamed, **body):
    """One answer; its events come to what they say by the SDK's own hand."""
    if not streamed:
        return client.chat.completions.create(**body)
    with client.chat.completions.stream(**body) as events:
        return events.get_final_completion()


def test_it_is_taken_for_what_it_is(mlx, house):
    said = subprocess.run([TOOLGATE, "probe", mlx.url], capture_output=True, text=True, check=True).stdout
    lines = dict(line.split(maxsplit=1) for line in said.splitlines() if line)
    assert lines["server"].startswith("openai, ready") and lines["tools"].startswith("inject")
    [listed] = [each for each in house.get("/v1/models")["data"] if each["id"] == "hermes"]
    assert listed["toolgate"]["engine"] == "openai" and listed["toolgate"]["alias_of"] == "default_model"


@pytest.mark.parametrize("more", [{}, {"tools": TOOLS}], ids=["plain", "tools"])
def test_text_is_what_the_model_wrote(client, streamed, more):
    completion = talk(client, streamed, model="hermes", messages=ask("text"), **more)
    assert (calls(completion), completion.choices[0].message.content) == ([], SCRIPTS["text"])


@pytest.mark.parametrize("name", ASKED)
def test_two_turns(client, streamed, name):
    first = talk(client, streamed, model="hermes", messages=ask(name), tools=TOOLS)
    asked, said = ASKED[name]
    assert calls(first) == [("get_weather", each) for each in asked]
    assert (first.choices[0].message.content or "") == said
    second = talk(client, streamed, **second_turn(client, "hermes", first))
    assert (calls(second), second.choices[0].message.content) == ([], SCRIPTS["final"])


def test_an_answer_is_cut_off_where_it_should(client):
    create = lambda **more: client.chat.completions.create(
        model="hermes", messages=ask("loop"), tools=TOOLS, max_tokens=20, **more
    )
    whole = create().choices[0]
    choices = [chunk.choices[0] for chunk in create(stream=True) if chunk.choices]
    beginning, rest = LOOPS["loop"]
    assert whole.finish_reason == choices[-1].finish_reason == "length"
    assert whole.message.content == "".join(choice.delta.content or "" for choice in choices)
    assert (beginning + rest * 20).startswith(whole.message.content) and len(whole.message.content) > 40


def test_a_client_that_leaves_is_in_nobodys_way(client):
    endless = client.chat.completions.create(model="hermes", messages=ask("loop"), stream=True, max_tokens=1_000_000)
    with contextlib.closing(endless):
        next(chunk for chunk in endless if chunk.choices[0].delta.content)
    assert calls(talk(client, True, model="hermes", messages=ask("hermes"), tools=TOOLS)) == [("get_weather", PARIS)]


def test_a_client_of_ollamas_api(house, streamed):
    client = ollama.Client(host=house.url, timeout=EXCHANGE_SECONDS)
    answer = client.chat("hermes", ask("two"), tools=TOOLS, stream=streamed)
    lines = list(answer) if streamed else [answer]
    asked = [call.function.arguments for line in lines for call in line.message.tool_calls or []]
    assert ([json.dumps(each) for each in asked], lines[-1].done) == ([json.dumps(PARIS), json.dumps(ROME)], True)
    assert lines[-1].eval_count > 5
