"""Whole answers that the gateway puts together from the stream of a real llama-server."""

import http.client
import json
import socket
import threading
import time

import pytest

from test_openai import TOOLS, ask

# Asked for more often than once a second, the slots keep the server from noticing that a client has left.
SLOTS_SECONDS = 1.2
SLOTS_TRIES = 12


def steady(body):
    """An answer without what differs from one to the next."""
    answer = json.loads(body)
    for member in ["id", "created", "timings"]:
        answer.pop(member)
    answer["usage"].pop("prompt_tokens_details", None)
    for choice in answer["choices"]:
        # The last token is the one that ends the answer; no event of a stream carries it.
        tokens = (choice.get("logprobs") or {}).get("content")
        if tokens and not tokens[-1]["token"]:
            tokens.pop()
    return answer


REQUESTS = {
    "plain": {},
    "cut-off": {"max_tokens": 7},
    "nothing": {"max_tokens": 0},
    "choices": {"n": 2},
    "probabilities": {"logprobs": True, "top_logprobs": 2},
    "progress": {"return_progress": True, "timings_per_token": True},
    "native-tools": {"tools": TOOLS},
}


@pytest.mark.parametrize("name", ["text", "think", "unicode", "large"])
@pytest.mark.parametrize("more", REQUESTS.values(), ids=REQUESTS)
def test_an_assembled_answer_is_the_servers_own(llama, gateway, name, more):
    request = {"model": "assembled", "messages": ask(name), **more}
    (direct, _, expected), (status, headers, body) = (wire.chat(**request) for wire in [llama, gateway])
    assert (status, direct) == (200, 200)
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Content-Length" not in headers, "it was not assembled"
    assert steady(body) == steady(expected)


def test_an_error_is_the_servers_own(llama, gateway):
    request = {"model": "assembled", "messages": ask("text"), "n": 99}
    direct, through = (wire.chat(**request) for wire in [llama, gateway])
    assert direct[0] == 400 and (through[0], through[2]) == (direct[0], direct[2])


def busy(llama):
    return sum(slot["is_processing"] for slot in llama.get("/slots"))


def wait_for(llama, count):
    for _ in range(SLOTS_TRIES):
        time.sleep(SLOTS_SECONDS)
        if busy(llama) == count:
            return
    raise AssertionError(f"{busy(llama)} slots are busy, not {count}")


def drain(response):
    """Reads until the stream is closed, from either side."""
    try:
        while response.read1():
            pass
    except (OSError, http.client.HTTPException):
        pass


@pytest.mark.parametrize("model, more", [("hermes", {"tools": TOOLS}), ("assembled", {})], ids=["tools", "all"])
def test_a_client_that_leaves_a_whole_answer_frees_its_slot(llama, gateway, model, more):
    """While another client's answer streams on."""
    wait_for(llama, 0)
    streaming = gateway.begin(model="hermes", messages=ask("loop"), stream=True)
    # With the response the connection forgets its socket.
    plug = streaming.sock
    response = streaming.getresponse()
    reader = threading.Thread(target=drain, args=[response])
    reader.start()
    try:
        leaving = gateway.begin(model=model, messages=ask("loop"), **more)
        wait_for(llama, 2)
        leaving.close()
        wait_for(llama, 1)
        assert reader.is_alive(), "the other client's answer ended"
    finally:
        plug.shutdown(socket.SHUT_RDWR)
        reader.join()
        response.close()
    wait_for(llama, 0)
