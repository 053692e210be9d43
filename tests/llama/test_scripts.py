"""The test model itself: the real server writes every text by heart, with nothing between it and the test."""

import json

import pytest

from scripts import LOOPS, SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_server_writes_the_text(llama, name):
    status, _, body = llama.chat(messages=[{"role": "user", "content": f"[[{name}]]"}], reasoning_format="none")
    choice = json.loads(body)["choices"][0]
    assert (status, choice["message"]["content"], choice["finish_reason"]) == (200, SCRIPTS[name], "stop")


def test_the_last_marker_chooses(llama):
    messages = [{"role": "user", "content": "[[loop]]"}, {"role": "user", "content": "then [[text]], please"}]
    assert json.loads(llama.chat(messages=messages)[2])["choices"][0]["message"]["content"] == SCRIPTS["text"]


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_ends_with_the_limit(llama, name):
    request = {"messages": [{"role": "user", "content": f"[[{name}]]"}], "max_tokens": 200}
    choice = json.loads(llama.chat(**request)[2])["choices"][0]
    beginning, rest = LOOPS[name]
    text = choice["message"]["content"]
    assert (beginning + rest * 200).startswith(text) and len(text) > 400
    assert choice["finish_reason"] == "length"
