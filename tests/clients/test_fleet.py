"""Two real llama-servers behind one gateway: their slots, the queue, a server that dies, and whose cache is warm."""

import concurrent.futures
import contextlib
import http.client
import json
import time
import urllib.parse

import openai
import pytest

from conftest import sdk, start_gateway, start_llama
from scripts import CALLS, LARGE, PARIS, SCRIPTS
from test_javascript import run
from test_openai import TOOLS, ask, calls, second_turn, stream

SLOTS = 2
# Far more than anything here takes.
PATIENCE_SECONDS = 30
MODEL = "scripted"
# More than one sentence for the next answer takes.
WISH_TOKENS_MAX = 100


def until(what, holds):
    """Asks until it holds, and returns what it was then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


class Box:
    """One llama-server, which can be killed and started again at its address."""

    def __init__(self, gguf, folder, name, **parameters):
        self.gguf, self.log, self.parameters = gguf, folder / name, parameters
        self.process, self.wire = start_llama(gguf, self.log, **parameters)

    def start(self):
        port = urllib.parse.urlsplit(self.wire.url).port
        self.process, self.wire = start_llama(self.gguf, self.log, port, **self.parameters)

    def busy(self):
        return sum(slot["is_processing"] for slot in self.wire.get("/slots"))

    def deferred(self):
        """Requests that wait inside the server."""
        lines = self.wire.request("GET", "/metrics")[2].decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("llamacpp:requests_deferred "))


class Fleet:
    """Two boxes and a gateway before them."""

    def __init__(self, boxes, folder, **pool):
        self.boxes = boxes
        peers = [{"url": box.wire.url, "name": f"box-{n}"} for n, box in enumerate(boxes)]
        pool = {"name": "fleet", "models": [MODEL], "dialect": "hermes", "peers": peers, "check_ms": 100, **pool}
        self.process, self.wire, self.admin = start_gateway(folder, {"pools": [pool]})
        self.client = sdk(self.wire)
        until("the slots are not known", lambda: self.peers("slots") == [SLOTS] * len(boxes))

    def close(self):
        self.client.close()
        self.process.stop()

    def peers(self, member):
        return [peer[member] for peer in self.admin.get("/status")["pools"][0]["peers"]]

    def busy(self):
        return [box.busy() for box in self.boxes]

    def waiting(self):
        """Requests in the gateway's queue."""
        return self.admin.get("/status")["pools"][0]["queue"]["waiting"]

    def is_idle(self):
        requests, places = self.admin.get("/status")["in_flight"], self.peers("in_flight")
        return requests == 0 and not any(places) and not any(self.busy())

    def until_idle(self):
        until("somebody is still served", self.is_idle)

    def ask(self, name, headers=None, **more):
        """A whole answer without tools: its status, its fields and itself."""
        body = json.dumps({"model": MODEL, "messages": ask(name), **more}).encode()
        headers = {"Content-Type": "application/json", "X-Toolgate-Explain": "1", **(headers or {})}
        status, fields, answer = self.wire.request("POST", "/v1/chat/completions", body, headers)
        return status, fields, json.loads(answer)

    def listen(self, name, **more):
        """The events of a streamed answer without tools, as far as they came."""
        connection = self.wire.begin(model=MODEL, messages=ask(name), stream=True, **more)
        with contextlib.closing(connection), connection.getresponse() as response:
            assert response.status == 200
            try:
                return response.read()
            except http.client.IncompleteRead as broken:
                return broken.partial

    @contextlib.contextmanager
    def talking(self, name, **more):
        """An answer without end, which has begun."""
        chunks = self.client.chat.completions.create(model=MODEL, messages=ask(name), stream=True, **more)
        with chunks:
            next(chunk for chunk in chunks if chunk.choices[0].delta.content or chunk.choices[0].delta.tool_calls)
            yield chunks


@pytest.fixture(scope="module")
def boxes(gguf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    boxes = [Box(gguf, folder, f"box-{n}", n_parallel=SLOTS) for n in range(2)]
    yield boxes
    for box in boxes:
        box.process.stop()


@pytest.fixture(scope="module")
def fleet(boxes, tmp_path_factory):
    with contextlib.closing(Fleet(boxes, tmp_path_factory.mktemp("fleet"))) as fleet:
        yield fleet


@pytest.fixture
def idle(fleet):
    """The fleet with nobody in it: before a test, and after it."""
    fleet.until_idle()
    yield fleet
    fleet.until_idle()


@pytest.fixture
def threads():
    with concurrent.futures.ThreadPoolExecutor(32) as threads:
        yield threads


def test_every_slot_is_used_and_nobody_waits_at_a_server(idle, threads):
    with contextlib.ExitStack() as leave:
        talks = [leave.enter_context(idle.talking("loop")) for _ in range(2 * SLOTS)]
        assert idle.busy() == [SLOTS, SLOTS]
        late = [threads.submit(idle.ask, "text") for _ in range(3)]
        until("nobody waits in the gateway", lambda: idle.waiting() == len(late))
        assert (idle.busy(), idle.peers("in_flight")) == ([SLOTS, SLOTS], [SLOTS, SLOTS])
        assert [box.deferred() for box in idle.boxes] == [0, 0]
        assert not any(answer.done() for answer in late)
        # The one slot that comes free serves them all.
        talks[0].close()
        for answer in late:
            status, _, body = answer.result(PATIENCE_SECONDS)
            assert (status, body["choices"][0]["message"]["content"]) == (200, SCRIPTS["text"])


def test_a_server_that_others_fill_is_passed_over(idle):
    used, free = idle.boxes
    with contextlib.ExitStack() as leave:
        for _ in range(SLOTS):
            leave.enter_context(contextlib.closing(used.wire.begin(model=MODEL, messages=ask("loop"), stream=True)))
        until("the others are not seen", lambda: idle.peers("elsewhere") == [SLOTS, 0])
        for _ in range(2 * SLOTS):
            assert idle.ask("text")[1]["X-Toolgate-Peer"] == free.wire.url
    until("they still are", lambda: idle.peers("elsewhere") == [0, 0])


@pytest.mark.parametrize(
    "request_body", [{"stream": True}, {"stream": True, "tools": TOOLS}, {"tools": TOOLS}], ids=["text", "tools", "whole"]
)
def test_a_client_that_leaves_makes_room_for_one_who_waits(idle, threads, request_body):
    leaving = idle.wire.begin(model=MODEL, messages=ask("loop"), **request_body)
    until("it has not begun", lambda: sum(idle.busy()) == 1)
    with contextlib.ExitStack() as leave:
        for _ in range(2 * SLOTS - 1):
            leave.enter_context(idle.talking("loop"))
        in_vain = idle.wire.begin(model=MODEL, messages=ask("loop"))
        until("nobody waits", lambda: idle.waiting() == 1)
        late = threads.submit(idle.ask, "text")
        until("only one waits", lambda: idle.waiting() == 2)
        in_vain.close()
        until("who left still waits", lambda: idle.waiting() == 1)
        leaving.close()
        assert late.result(PATIENCE_SECONDS)[0] == 200
        until("its slot is still taken", lambda: sum(idle.busy()) == 2 * SLOTS - 1)


def test_a_server_that_is_killed_and_comes_back(idle, threads):
    doomed, other = idle.boxes
    with contextlib.ExitStack() as leave:
        talks = [leave.enter_context(idle.talking("endless", tools=TOOLS)) for _ in range(2 * SLOTS)]
        late = [threads.submit(idle.ask, "text") for _ in range(8)]
        until("nobody waits", lambda: idle.waiting() == len(late))
        doomed.process.kill()
        # What has begun there ends in an error, which the SDK raises; what has begun elsewhere goes on.
        ended = [talk for talk in talks if breaks_off(talk)]
        assert len(ended) == SLOTS and other.busy() == SLOTS
        next(talk for talk in talks if talk not in ended).close()
        assert [answer.result(PATIENCE_SECONDS)[0] for answer in late] == [200] * len(late)
        until("a dead server is thought to be alive", lambda: idle.peers("up") == [False, True])
    doomed.start()
    until("it is not found again", lambda: idle.peers("up") == [True, True] and idle.peers("slots") == [SLOTS, SLOTS])
    with contextlib.ExitStack() as leave:
        for _ in range(2 * SLOTS):
            leave.enter_context(idle.talking("loop"))
        assert idle.busy() == [SLOTS, SLOTS]


def breaks_off(talk):
    """Whether the stream ends in an error, rather than go on."""
    try:
        for _ in range(1000):
            next(talk)
        return False
    except openai.APIError:
        return True


def test_killing_a_server_under_load_costs_no_request_that_had_not_begun(idle, threads):
    wholes, streams = [], []
    for _ in range(16):
        wholes.append(threads.submit(idle.ask, "large"))
        streams.append(threads.submit(idle.listen, "large"))
    until("the first has no answer", lambda: any(answer.done() for answer in wholes + streams))
    until("it has nothing to do", lambda: idle.boxes[0].busy() > 0)
    idle.boxes[0].process.kill()
    for status, _, body in (answer.result(PATIENCE_SECONDS) for answer in wholes):
        assert status == 200, body
        assert body["choices"][0]["message"]["content"] == SCRIPTS["large"]
    heard = [answer.result(PATIENCE_SECONDS) for answer in streams]
    broken = [events for events in heard if not events.endswith(b"data: [DONE]\n\n")]
    assert len(broken) <= SLOTS and all(b'"content":"' in events for events in broken)
    idle.boxes[0].start()
    until("it is not found again", lambda: idle.peers("up") == [True, True])


def test_a_client_that_waits_hears_how_it_stands(idle, threads, tmp_path):
    """And the SDK does not mind."""
    with contextlib.closing(Fleet(idle.boxes, tmp_path, keepalive_ms=10)) as fleet, contextlib.ExitStack() as leave:
        talks = [leave.enter_context(fleet.talking("loop")) for _ in range(2 * SLOTS)]
        connection = leave.enter_context(
            contextlib.closing(fleet.wire.begin(model=MODEL, messages=ask("text"), stream=True))
        )
        response = leave.enter_context(connection.getresponse())
        assert response.readline() == b": queued position=1\n"
        by_sdk = threads.submit(stream, fleet.client, "hermes", MODEL)
        until("it does not wait", lambda: fleet.waiting() == 2)
        talks[0].close()
        events = response.read().split(b"\n\n")
        assert events[-2:] == [b"data: [DONE]", b""]
        assert calls(by_sdk.result(PATIENCE_SECONDS)[0]) == [("get_weather", PARIS)]


def test_a_client_hears_how_far_its_prompt_is(gguf, tmp_path):
    """What the server says of it stays out of the stream."""
    box = Box(gguf, tmp_path, "box", n_batch=32, n_parallel=SLOTS)
    with contextlib.closing(Fleet([box], tmp_path, keepalive_ms=1)) as fleet, contextlib.ExitStack() as leave:
        leave.callback(box.process.stop)
        messages = [{"role": "system", "content": "word " * 4_000}, *ask("text")]
        connection = fleet.wire.begin(model=MODEL, messages=messages, tools=TOOLS, stream=True)
        with contextlib.closing(connection), connection.getresponse() as response:
            events = response.read().split(b"\n\n")
        comments = [event for event in events if event.startswith(b":")]
        assert any(comment.startswith(b": prefill processed=") for comment in comments), comments
        assert not any(b"prompt_progress" in event for event in events)
        chunks = [json.loads(event[6:]) for event in events if event.startswith(b"data: {")]
        content = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
        assert (content, events[-2:]) == (SCRIPTS["text"], [b"data: [DONE]", b""])


def test_many_conversations_with_tools_at_once(idle, threads):
    """Six to a slot: each streams a call, sends its result, and gets the final text."""
    before = idle.peers("requests")

    def converse(_):
        first, pieces = stream(idle.client, "hermes", MODEL)
        assert calls(first) == [("get_weather", PARIS)] and len(pieces) > 1
        request = second_turn(idle.client, "hermes", first) | {"model": MODEL}
        return idle.client.chat.completions.create(**request).choices[0].message.content

    assert set(threads.map(converse, range(6 * 2 * SLOTS))) == {SCRIPTS["final"]}
    idle.until_idle()
    served = [now - then for then, now in zip(before, idle.peers("requests"))]
    assert sum(served) == 2 * 6 * 2 * SLOTS and min(served) > 0
    _, pieces = stream(idle.client, "large", MODEL)
    assert json.loads("".join(pieces)) == LARGE


def test_the_javascript_sdk_on_two_servers(idle):
    run("fleet.test.js", idle.wire)


def test_one_list_of_models(idle):
    entries = idle.wire.get("/v1/models")["data"]
    assert [entry["id"] for entry in entries].count(MODEL) == 1
    entry = next(entry for entry in entries if entry["id"] == MODEL)
    assert (entry["toolgate"]["peers"], entry["toolgate"]["dialect"]) == (["box-0", "box-1"], "hermes")
    assert entry["meta"]["n_vocab"] > 256, "the server's own entry is lost"


def test_a_session_stays_at_its_server(idle):
    homes = {session: set() for session in map(str, range(24))}
    for why in ["hash", "session"]:
        for session, home in homes.items():
            status, fields, _ = idle.ask("text", {"X-Session-Id": session}, max_tokens=1)
            assert (status, fields["X-Toolgate-Why"]) == (200, why)
            home.add(fields["X-Toolgate-Peer"])
    assert all(len(home) == 1 for home in homes.values()), homes
    assert set.union(*homes.values()) == {box.wire.url for box in idle.boxes}


def test_the_next_turn_finds_its_prompt_in_the_cache(idle, tmp_path):
    with contextlib.closing(Fleet(idle.boxes, tmp_path, policy="prefix")) as fleet:
        # One for each slot, so that no server has to forget. By load alone turns would go to either server.
        system = "Be brief. " * 300
        talks = [[{"role": "system", "content": f"You are number {n}. {system}"}] for n in range(2 * SLOTS)]
        homes, read = {}, {}
        for turn in range(3):
            for n, messages in enumerate(talks):
                messages += ask("text")
                status, fields, body = fleet.ask("text", messages=messages, max_tokens=4)
                assert status == 200
                home = homes.setdefault(n, fields["X-Toolgate-Peer"])
                assert fields["X-Toolgate-Peer"] == home, fields["X-Toolgate-Why"]
                cached = body["usage"]["prompt_tokens_details"]["cached_tokens"]
                # All of the turn before, but for the few tokens that begin an answer.
                assert cached == body["timings"]["cache_n"] and cached > read.get(n, 0) - 8
                read[n] = body["usage"]["prompt_tokens"]
                messages.append({"role": "assistant", "content": body["choices"][0]["message"]["content"]})


@pytest.mark.parametrize("dialect", CALLS)
def test_what_is_asked_of_a_turn_leaves_its_prompt_in_the_cache(idle, tmp_path, dialect):
    """Agents require a call, then leave the choice, then forbid calls; others tell them to."""
    named = {"type": "function", "function": {"name": "get_weather"}}
    wishes = [{"tool_choice": choice} for choice in ("required", "auto", named, "auto", "none", {"type": "any"})]
    with contextlib.closing(Fleet(idle.boxes[:1], tmp_path, dialect=dialect)) as fleet:
        messages = [{"role": "system", "content": f"You speak {dialect}. " + "Be brief. " * 300}]
        read = 0
        for turn, wish in enumerate([*wishes, {"parallel_tool_calls": False}, {}]):
            messages += [*ask("text"), {"role": "system", "content": "Mind the time."}] if turn == 2 else ask("text")
            status, _, body = fleet.ask("text", messages=messages, tools=TOOLS, max_tokens=4, **wish)
            assert status == 200
            # All of the turn before, but for what was asked of it and the beginning of an answer.
            cached = body["usage"]["prompt_tokens_details"]["cached_tokens"]
            assert cached > read - WISH_TOKENS_MAX, (turn, wish)
            read = body["usage"]["prompt_tokens"]
            assert read > 10 * WISH_TOKENS_MAX
            messages.append({"role": "assistant", "content": body["choices"][0]["message"]["content"]})


def deep(opener, inner, closer):
    return opener * 50_000 + inner + closer * 50_000


# Each of them ends a llama-server that gets it: a page, and members of a request.
SCHEMA = deep('{"properties":{"a":', "{}", "}}")
FATAL = {
    "tools": ("/v1/chat/completions", rf'"t\u006fols":[{{"function":{{"name":"f","parameters":{SCHEMA}}}}}]'),
    "response_format": ("/v1/chat/completions", f'"response_format":{{"type":"json_object","schema":{SCHEMA}}}'),
    "arguments": (
        "/v1/responses",
        f'"input":[{{"type":"function_call","call_id":"c","name":"f","arguments":"{deep("[", "", "]")}"}}]',
    ),
    "grammar": ("/completion", f'"prompt":"","grammar":"root ::= {deep("(", "[a]", ")")}"'),
}


@pytest.mark.parametrize("kind", FATAL)
def test_what_nests_fells_no_server(idle, kind):
    page, members = FATAL[kind]
    body = f'{{"messages":[{{"role":"user","content":"hi"}}],"max_tokens":1,{members}}}'.encode()
    status, _, answer = idle.wire.request("POST", page, body, {"Content-Type": "application/json"})
    assert (status, json.loads(answer)["error"]["code"]) == (400, "request_too_deep")
    assert [box.wire.get("/health")["status"] for box in idle.boxes] == ["ok", "ok"]


# A template that writes past calls, for which the server reads their arguments as JSON.
TEMPLATE = (
    "{% for m in messages %}{{ m.content }}{% for call in m.tool_calls %}"
    "{{ call.function.name }}{{ call.function.arguments | tojson }}{% endfor %}{% endfor %}"
)


@pytest.mark.parametrize(("dialect", "tools"), [("gemma4", "inject"), ("hermes", "parse"), ("hermes", "inject")])
def test_a_conversation_goes_on_with_arguments_that_do_not_parse(gguf, tmp_path, dialect, tools):
    """Such as an answer that was cut off leaves: the server would refuse the conversation from there on."""
    with contextlib.ExitStack() as running:
        box = Box(gguf, tmp_path, "box", n_parallel=SLOTS, chat_template=TEMPLATE)
        running.callback(box.process.stop)
        fleet = running.enter_context(contextlib.closing(Fleet([box], tmp_path, dialect=dialect, tools=tools)))
        wishes = [{}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": TOOLS}]
        for arguments in ['{"city": "Par', "", "[1]", '{"days": 1e999}', "not { json"]:
            call = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
            turn = {"role": "assistant", "content": None, "tool_calls": [call]}
            messages = [*ask("text"), turn, {"role": "tool", "tool_call_id": "c", "content": "18"}]
            for wish in wishes:
                status, _, body = fleet.ask("text", messages=messages, max_tokens=1, **wish)
                assert status == 200, (arguments, wish, body)


def test_a_server_that_sleeps_is_woken_by_a_request_and_by_nothing_else(gguf, tmp_path):
    with contextlib.ExitStack() as running:
        box = Box(gguf, tmp_path, "box", n_parallel=SLOTS, sleep_idle_seconds=1)
        running.callback(box.process.stop)
        fleet = running.enter_context(contextlib.closing(Fleet([box], tmp_path)))
        # It is asked how it is ten times a second meanwhile.
        until("it does not sleep", lambda: box.wire.get("/props")["is_sleeping"])
        assert fleet.ask("text")[2]["choices"][0]["message"]["content"] == SCRIPTS["text"]
        until("it does not sleep again", lambda: box.wire.get("/props")["is_sleeping"])


@pytest.mark.parametrize("policy", ["cancel", "keep"])
def test_a_stream_outlives_its_client_if_it_may(idle, tmp_path, policy):
    names = ["first/of: two", "second"]

    def known(fleet):
        body = json.dumps({"conversation_ids": names})
        found = fleet.wire.request("POST", "/v1/streams/lookup", body, {"Content-Type": "application/json"})[2]
        return sorted(entry["conversation_id"] for entry in json.loads(found))

    with contextlib.closing(Fleet(idle.boxes, tmp_path, conversations=policy)) as fleet:
        for name in names:
            body = {"model": MODEL, "messages": ask("loop"), "stream": True}
            # What is kept has an end, or the server would forget its beginning.
            body |= {"max_tokens": 500} if policy == "keep" else {}
            headers = {"Content-Type": "application/json", "X-Conversation-Id": name}
            client = http.client.HTTPConnection(fleet.wire.netloc, timeout=PATIENCE_SECONDS)
            client.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            response = client.getresponse()
            assert response.readline().startswith(b"data: ")
            response.close()
            client.close()
        if policy == "cancel":
            until("their slots are still taken", lambda: fleet.busy() == [0, 0])
            assert known(fleet) == []
            return
        assert known(fleet) == names
        for name in names:
            path = f"/v1/stream?conv_id={urllib.parse.quote(name, safe='')}"
            status, _, kept = fleet.wire.request("GET", f"{path}&from=0")
            # It went on to its end with nobody there.
            assert status == 200 and kept.startswith(b"data: ") and b'"finish_reason":"length"' in kept
            assert fleet.wire.request("DELETE", path)[0] == 204
        assert known(fleet) == []


def test_more_agents_than_slots_read_a_third_less(idle, threads, tmp_path):
    """Five agents to a slot, each with a conversation of its own that grows; only that policy knows whose cache has it."""
    agents, turns = 5 * 2 * SLOTS, 4

    def evaluated(policy):
        """Prompt tokens that were in no cache."""
        with contextlib.closing(Fleet(idle.boxes, tmp_path, policy=policy)) as fleet:

            def talk(n):
                system = f"You are agent {n} of {policy}. " + "Be brief. " * 300
                messages, read = [{"role": "system", "content": system}], 0
                for _ in range(turns):
                    messages += ask("text")
                    status, _, body = fleet.ask("text", messages=messages, max_tokens=8)
                    assert status == 200, body
                    read += body["timings"]["prompt_n"]
                    messages.append(body["choices"][0]["message"])
                return read

            return sum(threads.map(talk, range(agents)))

    by_slots, by_prefix = evaluated("slots"), evaluated("prefix")
    assert 3 * by_prefix <= 2 * by_slots, (by_slots, by_prefix)
