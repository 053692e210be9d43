"""What programs send that speak Ollama's API, byte for byte as they write it, before a real llama-server.

Their requests stand in `ollama_requests.json`. Each answer is read as strictly as the program reads it, and no more.
"""

import datetime
import json
import re

import pytest

from conftest import ROOT, start_gateway
from families import PROSE
from scripts import PARIS, ROME, SCRIPTS

REQUESTS = json.loads((ROOT / "tests" / "clients" / "ollama_requests.json").read_text())
# aiohttp, by which Open WebUI reads lines, takes none that are longer.
LINE_BYTES_MAX = 128 * 1024
COUNTS = ["prompt_eval_count", "eval_count"]
NUMBERS = [*COUNTS, "prompt_eval_duration", "eval_duration", "load_duration", "total_duration"]
DETAILS = {"parent_model", "format", "family", "families", "parameter_size", "quantization_level"}


@pytest.fixture(scope="module")
def house(llama, tmp_path_factory):
    """A gateway where the model decides on the pool, as in a house with several servers; one has the tag in its name."""
    models = {"one": "hermes", "two": "second:latest"}
    pool = {"dialect": "hermes", "peers": [llama.url]}
    pools = [{"name": name, "models": [model], **pool} for name, model in models.items()]
    config = {"ollama_api": True, "alias": {"short": "hermes"}, "pools": pools}
    server, wire, _ = start_gateway(tmp_path_factory.mktemp("ollama-requests"), config)
    yield wire
    server.stop()


def send(house, client, name, agent, ids=(), **instead):
    """Sends one request of a client's: its status, its type and its body. `ids` are those of the calls before."""
    request = REQUESTS[client][name]
    body = json.dumps({**request["body"], **instead}, ensure_ascii=False) if "body" in request else None
    for number, id in enumerate(ids):
        body = body.replace(f"ID-{number}", id)
    headers = {"User-Agent": agent, "Content-Type": "application/json", "Accept": "*/*"}
    status, fields, answer = house.request(request["method"], request["path"], body and body.encode(), headers)
    return status, fields["Content-Type"], answer


def get(house, client, name, agent):
    status, kind, answer = send(house, client, name, agent)
    assert status == 200 and kind.startswith("application/json")
    return json.loads(answer)


def lines(answered):
    """The lines of an answer, after everything that every client relies on has been checked."""
    status, kind, body = answered
    assert (status, kind) == (200, "application/x-ndjson")
    assert body.endswith(b"\n") and b"\n\n" not in body and not body.startswith((b":", b"data:"))
    texts = body.decode().split("\n")[:-1]
    # Some end a line at these, too.
    assert all(len(text.splitlines()) == 1 and len(text.encode()) < LINE_BYTES_MAX for text in texts)
    found = [json.loads(text) for text in texts]
    assert [line["done"] for line in found] == [False] * (len(found) - 1) + [True]
    for line in found:
        assert line["model"] == "hermes:latest" and isinstance(line["message"]["content"], str)
        assert line["message"]["role"] == "assistant"
        assert is_time(line["created_at"])
    last = found[-1]
    for number in NUMBERS:
        assert type(last[number]) is int and last[number] > 0, number
    return found


def is_time(text):
    """Python reads no more than six digits of a second."""
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text).replace("Z", "+00:00")).year > 2000


def said(found, member="content"):
    return "".join(line["message"].get(member, "") for line in found)


def called(found):
    return [call for line in found for call in line["message"].get("tool_calls", [])]


def error(answered):
    """What an error says: a text, never an object."""
    status, kind, body = answered
    assert kind.startswith("application/json")
    told = json.loads(body)
    assert list(told) == ["error"] and isinstance(told["error"], str)
    return status, told["error"]


def check_models(models):
    """The form of a list of models, as Go and Python read it."""
    assert [model["name"] for model in models] == ["hermes:latest", "second:latest", "short:latest"]
    for model in models:
        assert model["model"] == model["name"] and type(model["size"]) is int
        assert re.fullmatch("[0-9a-f]{64}", model["digest"])
        assert set(model["details"]) == DETAILS
        assert all(isinstance(value, list if name == "families" else str) for name, value in model["details"].items())


class TestHomeAssistant:
    """Sends a context, a time to stay and whether to think each time, and results that do not say of which call."""

    AGENT = "ollama-python/0.6.3 (x86_64 linux) Python/3.13.2"

    def ask(self, house, name, **instead):
        return send(house, "home-assistant", name, self.AGENT, **instead)

    def test_the_models(self, house):
        models = get(house, "home-assistant", "models", self.AGENT)["models"]
        check_models(models)
        assert all(is_time(model["modified_at"]) for model in models)

    def test_two_turns(self, house):
        first = lines(self.ask(house, "first"))
        [call] = called(first)
        assert call["function"]["name"] == "get_weather" and call["function"]["arguments"] == PARIS
        assert (said(first), first[-1]["done_reason"]) == (PROSE, "stop")
        second = lines(self.ask(house, "second"))
        assert (said(second), called(second)) == (SCRIPTS["final"], [])

    def test_a_task_with_a_form(self, house):
        assert json.loads(said(lines(self.ask(house, "task")))) == {"answer": "yes"}

    def test_an_old_version_asks_for_an_empty_form(self, house):
        assert said(lines(self.ask(house, "old"))) == SCRIPTS["text"]

    def test_errors(self, house):
        assert error(self.ask(house, "first", model="nobody")) == (404, "model 'nobody' not found")
        long = [{"role": "user", "content": "x" * 20_000}]
        status, words = error(self.ask(house, "first", messages=long))
        assert status == 400 and "available context size" in words


class TestOpenWebUI:
    """Converts lines to OpenAI's chunks itself, and joins calls by their index."""

    AGENT = "Python/3.11 aiohttp/3.12.15"

    def ask(self, house, name, **more):
        return send(house, "open-webui", name, self.AGENT, **more)

    def test_pages(self, house):
        version = get(house, "open-webui", "version", self.AGENT)["version"]
        assert re.fullmatch(r"\d+(\.\d+)+", version)
        models = get(house, "open-webui", "models", self.AGENT)["models"]
        check_models(models)
        running = get(house, "open-webui", "running", self.AGENT)["models"]
        check_models(running)
        assert all(is_time(model["expires_at"]) and type(model["size_vram"]) is int for model in running)

    def test_two_turns(self, house):
        first = lines(self.ask(house, "first"))
        calls = called(first)
        assert [call["function"]["index"] for call in calls] == [0, 1]
        assert [json.dumps(call["function"]["arguments"]) for call in calls] == [json.dumps(PARIS), json.dumps(ROME)]
        ids = [call["id"] for call in calls]
        assert len(set(ids)) == 2 and all(ids)
        second = lines(self.ask(house, "second", ids=ids))
        assert (said(second), called(second)) == (SCRIPTS["final"], [])

    def test_a_whole_answer(self, house):
        status, kind, body = self.ask(house, "title")
        assert status == 200 and kind.startswith("application/json")
        answer = json.loads(body)
        assert answer["message"] == {"role": "assistant", "content": SCRIPTS["text"]} and answer["done"] is True

    def test_a_model_is_let_go(self, house):
        status, _, body = self.ask(house, "unload")
        assert (status, json.loads(body)["done_reason"]) == (200, "unload")

    def test_errors(self, house):
        status, words = error(self.ask(house, "picture"))
        assert status == 500 and "image input is not supported" in words
        status, words = error(self.ask(house, "vectors"))
        assert status == 501 and "does not support embeddings" in words
        assert error(self.ask(house, "first", model="nobody")) == (404, "model 'nobody' not found")


class TestCopilot:
    """Looks at each model in Ollama's API and talks in OpenAI's, with the name that it has from there."""

    AGENT = "GitHubCopilotChat/0.35.0"

    def test_a_model_is_offered_where_tools_are_used(self, house):
        version = get(house, "copilot", "version", self.AGENT)["version"]
        assert tuple(map(int, version.split("."))) >= (0, 6, 4)
        models = get(house, "copilot", "models", self.AGENT)["models"]
        assert "hermes:latest" in [model["model"] for model in models]
        shown = get(house, "copilot", "model", self.AGENT)
        info = shown["model_info"]
        assert info["general.basename"].startswith("hermes")
        assert info[f"{info['general.architecture']}.context_length"] == 16384
        assert "tools" in shown["capabilities"] and "vision" not in shown["capabilities"]
        assert isinstance(shown["template"], str) and isinstance(shown["details"]["family"], str)

    def test_two_turns_by_the_name_of_the_list(self, house):
        said, calls = self.talk(house, "first")
        [(id, name, arguments)] = calls
        assert (said, name, json.loads(arguments)) == (PROSE, "get_weather", PARIS)
        assert self.talk(house, "second", [id]) == (SCRIPTS["final"], [])

    def talk(self, house, name, ids=()):
        """What is said, and the calls, of an answer in OpenAI's events."""
        status, kind, body = send(house, "copilot", name, self.AGENT, ids)
        assert (status, kind) == (200, "text/event-stream")
        *events, done, end = body.decode().split("\n\n")
        assert (done, end) == ("data: [DONE]", "")
        chunks = [json.loads(event.removeprefix("data: ")) for event in events]
        assert {chunk["model"] for chunk in chunks} == {"hermes:latest"}
        assert chunks[-1]["usage"]["completion_tokens"] > 5
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
        calls = {}
        for call in (call for delta in deltas for call in delta.get("tool_calls", [])):
            known = calls.setdefault(call["index"], ["", "", ""])
            known[0] += call.get("id", "")
            known[1] += call["function"].get("name", "")
            known[2] += call["function"].get("arguments", "")
        return "".join(delta.get("content") or "" for delta in deltas), list(map(tuple, calls.values()))


# In OpenAI's API the word goes on that the server has for its model, where it is asked for by its own name.
OWN = ["hermes", "second:latest"]


@pytest.mark.parametrize("model", ["hermes:latest", "Hermes:Latest", "short", "short:latest", "second", *OWN])
def test_a_model_has_the_same_names_in_both_apis(house, model):
    messages = [{"role": "user", "content": "[[text]]"}]
    body = json.dumps({"model": model, "messages": messages, "stream": False}).encode()
    ask = lambda path: house.request("POST", path, body, {"Content-Type": "application/json"})
    status, _, answer = ask("/api/chat")
    assert (status, json.loads(answer)["model"]) == (200, model)
    status, _, answer = ask("/v1/chat/completions")
    named = json.loads(answer)["model"]
    assert status == 200 and (named == model or model in OWN)
    assert house.get(f"/v1/models/{model}")["object"] == "model"


def test_whoever_looks_finds_an_ollama(house):
    for method, body in [("GET", b"Ollama is running"), ("HEAD", b"")]:
        assert house.request(method, "/")[::2] == (200, body)
