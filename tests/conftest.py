"""The parts that the tests of real programs share: a real llama-server, and the gateway in front of it.

Both are processes on free ports of the loopback, started once and stopped by their own id.
"""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse

import openai
import pytest

from scripts import CALLS

ROOT = pathlib.Path(__file__).parent.parent
TOOLGATE = os.environ.get("TOOLGATE", ROOT / "target" / "debug" / "toolgate")
START_SECONDS = 60
# One exchange; far more than it takes, so that a hang is a failure and not a stuck run.
EXCHANGE_SECONDS = 30


class Process:
    """A server in a process of its own, and what it printed."""

    def __init__(self, command, log, environment=None):
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, env=environment
            )

    def wait_for(self, what, ready):
        """Asks until the server is ready; a server that has ended is never ready."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            found = ready()
            if found:
                return found
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"{what} did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def kill(self):
        """At once, with no chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Wire:
    """Plain HTTP to one server, a fresh connection for each request."""

    def __init__(self, url):
        self.url = url
        self.netloc = urllib.parse.urlsplit(url).netloc

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.netloc, timeout=EXCHANGE_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.request("GET", path)
        assert status == 200, body
        return json.loads(body)

    def chat(self, **body):
        """The status, the headers and the body of a chat request."""
        headers = {"Content-Type": "application/json"}
        return self.request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)

    def begin(self, **body):
        """Sends a chat request and reads nothing of its answer. Closing the connection leaves."""
        connection = http.client.HTTPConnection(self.netloc, timeout=EXCHANGE_SECONDS)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        return connection

    def answers(self, page="/health"):
        try:
            return self.request("GET", page)[0] == 200
        except OSError:
            return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def gguf(tmp_path_factory):
    """A model that knows the texts of `scripts` by heart."""
    path = tmp_path_factory.mktemp("model") / "scripted.gguf"
    subprocess.run([sys.executable, ROOT / "tests" / "llama" / "model.py", path], check=True)
    return path


def start_llama(gguf, log, port=0, **parameters):
    """A llama-server that serves, and the wire to it; `parameters` are llama.cpp's own."""
    settings = [f"{name}={value}" for name, value in parameters.items()]
    address = log.with_suffix(".address")
    address.unlink(missing_ok=True)
    serve = ROOT / "tests" / "llama" / "serve.py"
    server = Process([sys.executable, serve, gguf, str(port), address, *settings], log)
    wire = Wire(server.wait_for("llama-server", lambda: address.exists() and address.read_text()))
    server.wait_for("llama-server", wire.answers)
    return server, wire


def start_gateway(folder, config):
    """A gateway that serves, and the wires to its two addresses."""
    client, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    path = folder / "toolgate.yaml"
    # JSON is YAML.
    path.write_text(json.dumps({"listen": client, "admin": admin, **config}))
    server = Process([TOOLGATE, "run", "-c", path], folder / "log")
    wire = Wire(f"http://{client}")
    server.wait_for("toolgate", Wire(f"http://{admin}").answers)
    return server, wire, Wire(f"http://{admin}")


@pytest.fixture(scope="session")
def llama(gguf, tmp_path_factory):
    """A llama-server that writes the texts of `scripts`."""
    server, wire = start_llama(gguf, tmp_path_factory.mktemp("llama") / "log")
    yield wire
    server.stop()


@pytest.fixture(scope="session")
def gateway(llama, tmp_path_factory):
    """The gateway, with a pool for each dialect, named like it.

    Of two more, one finds its dialect by itself, and one assembles every whole answer and changes nothing else.
    """
    pools = [{"name": name, "models": [name], "dialect": name, "peers": [llama.url]} for name in [*CALLS, "auto"]]
    assembled = {"name": "assembled", "models": ["assembled"], "tools": "native", "assemble": "all"}
    pools.append({**assembled, "peers": [llama.url]})
    server, wire, _ = start_gateway(tmp_path_factory.mktemp("gateway"), {"pools": pools})
    yield wire
    server.stop()


def sdk(gateway):
    """The OpenAI SDK, pointed at a gateway."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=EXCHANGE_SECONDS)


@pytest.fixture
def client(gateway):
    with sdk(gateway) as client:
        yield client
