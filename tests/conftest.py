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

    def __init__(self, command, log):
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT
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

    def answers(self):
        try:
            return self.request("GET", "/health")[0] == 200
        except OSError:
            return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """A llama-server that writes the texts of `scripts`."""
    folder = tmp_path_factory.mktemp("llama")
    model = folder / "scripted.gguf"
    here = ROOT / "tests" / "llama"
    subprocess.run([sys.executable, here / "model.py", model], check=True)
    server = Process([sys.executable, here / "serve.py", model, "0"], folder / "log")

    def url():
        lines = server.log.read_text(errors="replace").splitlines()
        return next((line.split()[-1] for line in lines if line.startswith("listening at ")), None)

    wire = Wire(server.wait_for("llama-server", url))
    server.wait_for("llama-server", wire.answers)
    yield wire
    server.stop()


@pytest.fixture(scope="session")
def gateway(llama, tmp_path_factory):
    """The gateway, with a pool for each dialect, named like it.

    Of two more, one finds its dialect by itself, and one assembles every whole answer and changes nothing else.
    """
    folder = tmp_path_factory.mktemp("gateway")
    port = free_port()
    pools = [{"name": name, "models": [name], "dialect": name, "peers": [llama.url]} for name in [*CALLS, "auto"]]
    assembled = {"name": "assembled", "models": ["assembled"], "tools": "native", "assemble": "all"}
    pools.append({**assembled, "peers": [llama.url]})
    config = folder / "toolgate.yaml"
    # JSON is YAML.
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "pools": pools}))
    server = Process([TOOLGATE, "run", "-c", config], folder / "log")
    wire = Wire(f"http://127.0.0.1:{port}")
    server.wait_for("toolgate", wire.answers)
    yield wire
    server.stop()


@pytest.fixture
def client(gateway):
    """The OpenAI SDK, pointed at the gateway."""
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=EXCHANGE_SECONDS
    ) as client:
        yield client
