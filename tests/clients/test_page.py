"""The status page in a real browser, against a running gateway."""

import contextlib
import html
import re
import subprocess
import time

import pytest

from conftest import TOOLGATE, Process, Wire, free_port, start_gateway
from test_openai import TOOLS

BROWSER = "chromium"
BROWSER_SECONDS = 60
# A moment for the page's own clock, which a browser without a screen does not wait for.
PAGE_MS = 3000


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A gateway with a pool that answers, a server that does not and one with a single place; and its page."""
    folder = tmp_path_factory.mktemp("page")
    upstream, dead = (free_port() for _ in range(2))
    upstream_wire = Wire(f"http://127.0.0.1:{upstream}")
    pools = [
        {"name": "the-pool", "dialect": "hermes",
         "peers": [{"url": upstream_wire.url, "name": "gpu-1", "max_inflight": 7}]},
        {"name": "<dead & gone>", "models": ["dead"], "peers": [f"http://127.0.0.1:{dead}"]},
        {"name": "small", "models": ["small"], "peers": [{"url": upstream_wire.url, "max_inflight": 1}]},
    ]
    with contextlib.ExitStack() as running:
        mock = Process([TOOLGATE, "mock", "--listen", f"127.0.0.1:{upstream}"], folder / "mock")
        running.callback(mock.stop)
        mock.wait_for("the mock", upstream_wire.answers)
        tools = {"servers": [{"name": "docs", "command": ["/nowhere/docs"]}]}
        server, gateway, page = start_gateway(folder, {"pools": pools, "tools": tools})
        running.callback(server.stop)
        yield gateway, page


def page_of(admin, folder):
    """What the page holds once its script has run, as a reader sees it."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
    command += [f"--virtual-time-budget={PAGE_MS}", "--dump-dom", f"{admin.url}/"]
    dom = subprocess.run(command, capture_output=True, check=True, timeout=BROWSER_SECONDS, text=True).stdout
    body = re.sub(r"(?s)<(script|style|noscript)\b.*?</\1>", "", dom)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def wait_until(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_page_shows_pools_and_requests(house, tmp_path):
    gateway, admin = house
    before = admin.get("/status")["requests"]
    ask = [{"role": "user", "content": "What is the weather?"}]
    for model, expected in [("m", 200), ("m", 200), ("dead", 502)]:
        assert gateway.chat(model=model, messages=ask, tools=TOOLS)[0] == expected
    # One has the place until it leaves, and one waits for it.
    endless = {"model": "small", "stream": True, "messages": [{"role": "user", "content": "[[loop]]"}]}
    with contextlib.closing(gateway.begin(**endless)), contextlib.closing(gateway.begin(**endless)):
        wait_until(lambda: admin.get("/status")["pools"][2]["queue"]["waiting"] == 1)
        text = page_of(admin, tmp_path / "busy")
    assert "waiting 1" in text
    assert "small llama.cpp · small · dialect auto · 1 of 1,024 waiting" in text
    assert "1 of 1 " in text
    # A request is counted a moment after its client has the answer.
    wait_until(lambda: admin.get("/status")["requests"] >= before + 5)

    text = page_of(admin, tmp_path / "calm")
    assert "toolgate serving" in text
    assert re.search(r"Servers of tools server standing tools docs .* 0 ", text)
    assert f"requests so far {before + 5}" in text
    assert "the-pool llama.cpp · any model · dialect hermes" in text
    # Its name is text, whatever it looks like.
    assert "<dead & gone> llama.cpp · dead · dialect auto" in text
    assert "0 of 7" in text
    # Its server's breaker is open; after a second the next request would try it.
    assert re.search(r":\d+ (half-)?open 0 ", text)
    assert "502 the server cannot be reached" in text
    # By its name, and which pool's count it is.
    assert "gpu-1 this pool's part; also in small 0 of 7" in text


def test_the_page_keeps_what_clients_do_wrong_apart(house, tmp_path):
    gateway, admin = house
    nobody = {"type": "function", "function": {"name": "nobody"}}
    messages = [{"role": "user", "content": "hi"}]
    assert gateway.chat(model="m", messages=messages, tools=TOOLS, tool_choice=nobody)[0] == 400
    wait_until(lambda: admin.get("/status")["refusals"])
    failures, refusals = page_of(admin, tmp_path / "wrong").split("Last requests that were refused")
    assert "400" in refusals
    assert "400" not in failures.split("Last failures")[1]


def test_the_page_shows_the_models_of_a_box(tmp_path):
    script = tmp_path / "script.yaml"
    script.write_text(
        "places: 2\nslots: 3\nanswers: [{text: hi}]\n"
        "models: {alpha: {}, beta: {fails: true}, <b>gamma</b>: {}, delta: {loading_ms: 3600000}}\n"
    )
    port = free_port()
    wire = Wire(f"http://127.0.0.1:{port}")
    # Of two servers each is asked how it is.
    urls = [wire.url, wire.url.replace("127.0.0.1", "localhost")]
    pool = {"name": "boxes", "peers": [{"url": url, "name": f"box-{at}"} for at, url in enumerate(urls, 1)]}
    ask = [{"role": "user", "content": "hi"}]
    with contextlib.ExitStack() as running:
        mock = Process([TOOLGATE, "mock", "--script", str(script), "--listen", f"127.0.0.1:{port}"], tmp_path / "mock")
        running.callback(mock.stop)
        mock.wait_for("the mock", wire.answers)
        server, gateway, admin = start_gateway(tmp_path, {"pools": [pool]})
        running.callback(server.stop)
        assert gateway.chat(model="alpha", messages=ask)[0] == 200
        assert gateway.chat(model="beta", messages=ask)[0] == 503
        running.enter_context(contextlib.closing(gateway.begin(model="delta", messages=ask, stream=True)))
        seats = lambda: admin.get("/status")["pools"][0]["peers"][0]["models"]
        wait_until(lambda: "loading" in [seat["state"] for seat in seats()])
        text = page_of(admin, tmp_path / "boxes")
    shown = r"box-1 .*<b>gamma</b> alpha 0 of 3 beta failed: exit code 1 delta loading, \d+ s.* · 1 waiting"
    assert re.search(shown, text)
