"""Tools of real MCP servers, written with the official SDK: over stdio and over HTTP, called by hand."""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import EXCHANGE_SECONDS, TOOLGATE, Process, free_port

SERVER = pathlib.Path(__file__).with_name("mcp_server.py")
KEY = "the-key"


class Docs:
    """A configuration of one server, and the folder in which that tells what happens to its calls."""

    def __init__(self, folder, reach):
        self.folder = folder
        self.path = folder / "toolgate.yaml"
        self.configure(reach)

    def configure(self, reach):
        pools = [{"name": "a", "peers": ["http://127.0.0.1:1"]}]
        # JSON is YAML.
        self.path.write_text(json.dumps({"pools": pools, "tools": {"servers": [{"name": "docs", **reach}]}}))

    def run(self, *arguments):
        command = [TOOLGATE, *arguments, "-c", self.path]
        return subprocess.run(command, capture_output=True, timeout=EXCHANGE_SECONDS, text=True)

    def call(self, tool, **arguments):
        """The exit status of a call, and its result."""
        ran = self.run("tool", f"docs__{tool}", json.dumps(arguments))
        assert ran.stderr == ""
        return ran.returncode, ran.stdout


def wait_until(holds):
    deadline = time.monotonic() + EXCHANGE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


@pytest.fixture(params=["stdio", "http"])
def docs(request, tmp_path):
    if request.param == "stdio":
        yield Docs(tmp_path, {"command": [sys.executable, str(SERVER), str(tmp_path)]})
        return
    port = free_port()
    server = Process([sys.executable, SERVER, tmp_path, str(port), KEY], tmp_path / "log")
    server.wait_for("the MCP server", lambda: listens(port))
    url = f"http://127.0.0.1:{port}/mcp"
    yield Docs(tmp_path, {"url": url, "headers": {"Authorization": f"Bearer {KEY}"}})
    server.stop()


def test_tools_are_listed_with_their_schemas(docs):
    ran = docs.run("tools", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    tools = {tool["function"]["name"]: tool["function"] for tool in json.loads(ran.stdout)}
    assert set(tools) == {f"docs__{name}" for name in ("search", "pages", "picture", "fail", "work", "hang")}
    assert tools["docs__search"]["description"] == "Finds pages."
    assert tools["docs__search"]["parameters"]["required"] == ["query"]


def test_calls_are_answered(docs):
    assert docs.call("search", query="a", limit=3) == (0, "a 0\na 1\na 2")
    # Lists come as parts, and once more for programs: the model reads them once.
    assert docs.call("pages") == (0, "one\n\ntwo")
    assert docs.call("picture") == (0, "[image image/png, 8 bytes]")
    assert docs.call("fail") == (1, "Error: Error executing tool fail")
    status, result = docs.call("search", limit="many")
    assert status == 1 and result.startswith("Error: ") and "query" in result
    assert docs.call("nothing") == (1, "Error: Unknown tool 'docs__nothing'")


def test_progress_keeps_a_call_alive(docs):
    config = json.loads(docs.path.read_text())["tools"]["servers"][0]
    docs.configure({**config, "timeout_seconds": 1})
    assert docs.call("work") == (0, "worked")


def test_a_call_that_takes_too_long_is_cancelled_at_the_server(docs):
    config = json.loads(docs.path.read_text())["tools"]["servers"][0]
    docs.configure({**config, "timeout_seconds": 1})
    assert docs.call("hang") == (1, "Error: docs: no answer within 1 s")
    wait_until((docs.folder / "cancelled").exists)


def test_a_server_ends_with_whoever_has_started_it(tmp_path):
    docs = Docs(tmp_path, {"command": [sys.executable, str(SERVER), str(tmp_path)]})
    toolgate = subprocess.Popen([TOOLGATE, "tool", "docs__hang", "{}", "-c", docs.path], stdout=subprocess.DEVNULL)
    try:
        wait_until((tmp_path / "begun").exists)
    finally:
        # Even so, its pipes close.
        toolgate.send_signal(signal.SIGKILL)
        toolgate.wait()
    wait_until((tmp_path / "cancelled").exists)


def test_a_wrong_key_is_told_in_a_few_words(tmp_path):
    port = free_port()
    server = Process([sys.executable, SERVER, tmp_path, str(port), KEY], tmp_path / "log")
    try:
        server.wait_for("the MCP server", lambda: listens(port))
        url = f"http://127.0.0.1:{port}/mcp"
        docs = Docs(tmp_path, {"url": url, "headers": {"Authorization": "Bearer wrong"}})
        ran = docs.run("tool", "docs__search", "{}")
    finally:
        server.stop()
    assert (ran.returncode, ran.stdout) == (1, "Error: Tool server 'docs' is not available")
    assert ran.stderr == "toolgate: tool server docs: it answered 401: its `headers` do not let toolgate in\n"
