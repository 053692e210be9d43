"""Clients that stop reading, send bodies that fell a server, and leave: real llama-servers outlive them all.

What each client does follows from a seed; how they interleave does not.
"""

import concurrent.futures
import contextlib
import json
import random
import socket

import pytest

from conftest import EXCHANGE_SECONDS
from test_fleet import MODEL, SLOTS, Box, Fleet, until
from test_openai import TOOLS, ask

SEED = 7
CLIENTS, REQUESTS_EACH = 8, 12
BOXES = 3
# So deep that llama.cpp's own reader of schemas runs out of stack.
DEPTH = 50_000
# A client that takes nothing for so long is given up.
CLIENT_MS = 500
# Little enough that a stream soon has nowhere to go.
WINDOW_BYTES = 4096


def nested(depth):
    """A schema inside a schema, and so on."""
    return '{"type": "object", "properties": {"a": ' * depth + '{"type": "string"}' + "}}" * depth


def tool(parameters):
    return '[{"type": "function", "function": {"name": "f", "parameters": %s}}]' % parameters


def body(**more):
    return json.dumps({"model": MODEL, "messages": ask("text"), **more}).encode()


def with_member(member):
    return body()[:-1] + b", " + member.encode() + b"}"


# Where a schema may stand, as a client may spell it.
FATAL = [
    with_member('"tools": ' + tool(nested(DEPTH))),
    with_member(r'"t\u006fols": ' + tool(nested(DEPTH))),
    with_member('"response_format": {"type": "json_schema", "json_schema": {"schema": %s}}' % nested(DEPTH)),
    with_member('"json_schema": ' + nested(DEPTH)),
    with_member('"stream": true, "tools": %s, "tool_choice": "none"' % tool(nested(DEPTH))),
]


@pytest.fixture(scope="module")
def fleet(gguf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with contextlib.ExitStack() as close:
        boxes = []
        for n in range(BOXES):
            boxes.append(Box(gguf, folder, f"box-{n}", n_parallel=SLOTS))
            close.callback(boxes[-1].process.stop)
        fleet = Fleet(boxes, folder, timeouts={"client_ms": CLIENT_MS}, assemble="all")
        close.callback(fleet.close)
        yield fleet


def assert_all_live(fleet):
    assert [box.process.process.poll() for box in fleet.boxes] == [None] * BOXES


def post(fleet, content, path="/v1/chat/completions"):
    status, _, answer = fleet.wire.request("POST", path, content, {"Content-Type": "application/json"})
    return status, answer


@pytest.mark.parametrize("content", FATAL, ids=["tools", "escaped-key", "response-format", "json-schema", "no-call"])
def test_a_schema_that_fells_a_server_reaches_none(fleet, content):
    status, answer = post(fleet, content)
    assert status == 400 and json.loads(answer)["error"]["type"] == "invalid_request_error"
    assert_all_live(fleet)


@pytest.mark.parametrize("path", ["/completion", "/v1/completions", "/apply-template", "/v1/messages", "/v1/responses"])
def test_no_route_takes_such_a_schema(fleet, path):
    for content in FATAL:
        with contextlib.suppress(ConnectionError):
            assert post(fleet, content, path)[0] in (400, 404)
    assert_all_live(fleet)


class Client:
    """One client, who does as its dice say."""

    def __init__(self, fleet, number, stack):
        self.fleet, self.stack, self.random = fleet, stack, random.Random(SEED * 1000 + number)

    def live(self):
        for _ in range(REQUESTS_EACH):
            self.random.choice([self.asks, self.asks, self.nests, self.leaves, self.leaves_half_sent, self.stalls])()

    def connect(self):
        host, port = self.fleet.wire.netloc.split(":")
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
        client.settimeout(EXCHANGE_SECONDS)
        client.connect((host, int(port)))
        return client

    def begin(self, content, length=None):
        client = self.connect()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: {length or len(content)}\r\n\r\n"
        client.sendall(head.encode() + content)
        return client

    def with_tools_or_not(self):
        return self.random.choice([{}, {"tools": TOOLS}])

    def asks(self):
        status, answer = post(self.fleet, body(**self.with_tools_or_not()))
        assert status == 200 and json.loads(answer)["choices"][0]["message"]["content"]

    def nests(self):
        assert post(self.fleet, self.random.choice(FATAL))[0] == 400

    def leaves(self):
        streamed = self.random.choice([True, False])
        client = self.begin(body(messages=ask("loop"), stream=streamed, **self.with_tools_or_not()))
        if streamed:
            client.recv(1)
        client.close()

    def leaves_half_sent(self):
        content = body()
        self.begin(content[: len(content) // 2], len(content)).close()

    def stalls(self):
        """Asks for a stream without end, keeps the connection, and reads nothing."""
        # Few enough that the others get a slot.
        if self.random.random() < 0.5:
            client = self.begin(body(messages=ask("loop"), stream=True, **self.with_tools_or_not()))
            self.stack.callback(client.close)


def test_nobody_keeps_a_slot_and_no_server_falls(fleet):
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads:
        clients = [Client(fleet, number, stack) for number in range(CLIENTS)]
        for future in [threads.submit(client.live) for client in clients]:
            future.result()
        # Whoever reads nothing has still not hung up.
        until("a slot is kept by somebody who reads nothing", fleet.is_idle)
    assert_all_live(fleet)
    assert fleet.busy() == [0] * BOXES
    assert all(fleet.ask("text")[0] == 200 for _ in range(2 * BOXES))
