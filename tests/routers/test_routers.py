"""Two boxes of several models with one place each, real routers of two builds, and what clients of a gateway get.

Neither build serves such clients well alone: requests hang in the queue of one, and the other cuts answers off.
"""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import random
import threading
import time

import pytest

from boxes import BROKEN, BUILDS, SLEEPER, SLOTS, Box, Models
from conftest import start_gateway
from load import Wish, ask, ask_all, draw, wrong
from scripts import FAMILIES, loops_of

# All of a test's exchanges together; far more than they take, so that a hang is a failure and not a stuck run.
PATIENCE_SECONDS = 100
HEAVY_TOKENS = 4000


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return Models(tmp_path_factory.mktemp("models"))


@pytest.fixture(params=BUILDS)
def boxes(request, models, tmp_path):
    """Makes two boxes whose loads take so long."""
    with contextlib.ExitStack() as running:

        def make(load_ms):
            boxes = [Box(request.param, models, tmp_path / f"box-{n}", load_ms) for n in range(2)]
            # A router takes a second to end, so they do it together.
            running.callback(stop_all, boxes)
            return boxes

        yield make


def stop_all(boxes):
    with concurrent.futures.ThreadPoolExecutor() as threads:
        list(threads.map(Box.stop, boxes))


@pytest.fixture
def gateways(tmp_path):
    """Makes gateways before boxes."""
    with contextlib.ExitStack() as running:
        names = itertools.count()

        def make(boxes, **keys):
            folder = tmp_path / f"gateway-{next(names)}"
            folder.mkdir()
            peers = [{"url": box.wire.url, "name": f"box-{n}"} for n, box in enumerate(boxes)]
            pool = {"name": "boxes", "peers": peers, "check_ms": 100} | keys
            process, wire, admin = start_gateway(folder, {"pools": [pool]})
            running.callback(process.stop)
            until("it is not ready", lambda: admin.request("GET", "/ready")[0] == 200)
            return wire, admin

        yield make


def until(what, holds):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def loads(boxes):
    return [model for box in boxes for model in box.loads()]


def test_a_heavy_answer_is_never_cut_whatever_else_is_asked_for(boxes, gateways):
    boxes = boxes(200)
    wire, _ = gateways(boxes)
    heavy = {"model": "heavy", "messages": [{"role": "user", "content": "[[loop]]"}], "max_tokens": HEAVY_TOKENS}
    answered = 0
    with contextlib.closing(wire.begin(**heavy, stream=True)) as connection:
        with concurrent.futures.ThreadPoolExecutor(1) as threads, connection.getresponse() as response:
            listening = threads.submit(response.read)
            at = until("it is loaded nowhere", lambda: next((box for box in boxes if box.loaded() == ["heavy"]), None))
            for seed in itertools.count():
                answers = ask_all([wire], draw(seed, 12), 4, PATIENCE_SECONDS)
                assert not wrong(answers)
                answered += len(answers)
                # What else is loaded is loaded at the other.
                if (at.loaded(), listening.done()) != (["heavy"], False):
                    break
            events = [line[6:] for line in listening.result().splitlines() if line.startswith(b"data: ")]
    chunks = [json.loads(event) for event in events[:-1]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    beginning, rest = loops_of("alpha")["loop"]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert (beginning + rest * HEAVY_TOKENS).startswith(text) and len(text) > HEAVY_TOKENS
    assert (events[-1], choices[-1]["finish_reason"]) == (b"[DONE]", "length")
    # They came in rounds of twelve, and the other box could serve several meanwhile.
    assert answered > 12, "others waited until it was over"


def test_each_gets_what_its_model_says(boxes, gateways):
    """Streamed and not, with tools and without, while others leave."""
    boxes = boxes(100)
    wire, admin = gateways(boxes)
    answers = ask_all([wire], draw(1, 200, leaving=0.15), 8, PATIENCE_SECONDS)
    assert not wrong(answers)
    until("somebody is still served", lambda: admin.get("/status")["in_flight"] == 0)
    # Nothing of it has stayed behind.
    assert not wrong(ask_all([wire], [Wish(model) for model in FAMILIES], 1, PATIENCE_SECONDS))


def test_a_second_gateway_and_somebody_who_unloads_break_nothing(boxes, gateways):
    boxes = boxes(100)
    wires = [gateways(boxes)[0] for _ in range(2)]
    rng, lock, answered = random.Random(2), threading.Lock(), itertools.count(1)
    pressed = []

    def hand():
        with lock:
            if next(answered) % 8 == 0:
                box = rng.choice(boxes)
                # What a load that somebody ends looks like is a load that fails.
                loaded = [model for model, state in box.states().items() if state == "loaded"]
                pressed.extend(box.press("unload", model) for model in loaded)

    answers = ask_all(wires, draw(3, 100), 8, PATIENCE_SECONDS, hand)
    assert any(pressed), "nothing was unloaded"
    # The box writes nothing more of the answers that have begun when somebody unloads; their clients hear of it.
    failed = wrong(answers)
    assert len(failed) <= SLOTS * sum(pressed)
    told = {(200, "upstream_incomplete"), (502, "upstream_error")}
    assert [answer for answer in failed if (answer.status, answer.error()) not in told] == []
    # And it was not for long.
    assert not wrong(ask_all(wires, draw(6, 12), 4, PATIENCE_SECONDS))


def test_a_model_that_does_not_load_is_tried_once_a_box(boxes, gateways):
    boxes = boxes(200)
    wire, admin = gateways(boxes)
    wishes = draw(4, 40)
    for n in range(0, len(wishes), 4):
        wishes[n].model = BROKEN
    answers = ask_all([wire], wishes, 4, PATIENCE_SECONDS)
    broken = [answer for answer in answers if answer.wish.model == BROKEN]
    assert {(answer.status, answer.error()) for answer in broken} == {(503, "model_failed_to_load")}
    assert not wrong([answer for answer in answers if answer not in broken])
    assert [box.loads().count(BROKEN) for box in boxes] in ([0, 1], [1, 0], [1, 1])
    # It is the model's failure and not the boxes'.
    assert [(peer["up"], peer["failed"]) for peer in admin.get("/status")["pools"][0]["peers"]] == [(True, 0)] * 2


def test_nothing_but_a_request_wakes_a_model(boxes, gateways):
    asleep, clock = boxes = boxes(0)
    wire, admin = gateways(boxes[:1])
    assert ask(wire, Wish("alpha"), PATIENCE_SECONDS).said() == Wish("alpha").answer()
    body = {"model": SLEEPER, "messages": [{"role": "user", "content": "[[text]]"}]}
    assert wire.chat(**body)[0] == 200
    # It is asked how it is ten times a second meanwhile.
    until("it does not fall asleep", lambda: asleep.states()[SLEEPER] == "sleeping")
    slept = len(asleep.events)
    # As long as another needs to fall asleep twice.
    for naps in (1, 2):
        assert clock.wire.chat(**body)[0] == 200
        until("the other does not", lambda: clock.events.count((SLEEPER, "status_change", "sleeping")) == naps)
        wire.get("/v1/models")
        admin.request("GET", "/metrics")
        admin.get("/status")
    assert asleep.events[slept:] == []
    assert wire.chat(**body)[0] == 200
    until("it does not fall asleep again", lambda: asleep.states()[SLEEPER] == "sleeping")


def test_models_are_loaded_a_few_times_for_many_requests(boxes, gateways):
    """Six clients, three models and two places: each load serves whoever waits for its model."""
    boxes = boxes(4000)
    wire, _ = gateways(boxes)
    answers = ask_all([wire], draw(5, 40), 6, PATIENCE_SECONDS)
    assert not wrong(answers)
    assert len(loads(boxes)) <= 8, loads(boxes)
    heard = {comment.split()[0] for answer in answers for comment in answer.comments}
    assert "loading" in heard, heard


def test_a_pinned_model_is_loaded_before_anybody_asks_and_stays(boxes, gateways):
    boxes = boxes(100)
    wire, _ = gateways(boxes, models_loaded={"pin": {"gamma": 1}})
    until("it is not loaded", lambda: sorted(box.loaded() for box in boxes) == [[], ["gamma"]])
    answers = ask_all([wire], draw(8, 40), 6, PATIENCE_SECONDS)
    assert not wrong(answers)
    at = next(box for box in boxes if box.loads()[:1] == ["gamma"])
    assert at.loads() == at.loaded() == ["gamma"]
    assert at.press("unload", "gamma")
    until("it is not loaded again", lambda: at.loads() == ["gamma", "gamma"] and at.loaded() == ["gamma"])


def test_boxes_that_are_told_nothing_load_what_they_are_asked_for_and_end_nobodys_answer(boxes, gateways):
    boxes = boxes(100)
    wire, _ = gateways(boxes, models_loaded={"swaps": False})
    # How a model writes is not known to the request that makes it load for the first time.
    assert not wrong([ask(wire, Wish(model, "text"), PATIENCE_SECONDS) for model in FAMILIES])
    answers = ask_all([wire], draw(7, 60, leaving=0.15), 6, PATIENCE_SECONDS)
    assert not wrong(answers)
    assert "loads on demand" in {answer.why for answer in answers}


def test_a_client_is_told_why_its_request_went_where_it_did(boxes, gateways):
    boxes = boxes(100)
    wire, _ = gateways(boxes)
    whys = [ask(wire, Wish(model), PATIENCE_SECONDS).why for model in ("alpha", "alpha", "beta", "gamma")]
    assert whys[:3] == ["free place", "loaded", "free place"]
    assert whys[3] in ("swapped out alpha", "swapped out beta")


def test_the_list_says_what_is_loaded_and_nothing_of_the_boxes_disks(boxes, gateways):
    boxes = boxes(0)
    wire, _ = gateways(boxes)
    assert not wrong([ask(wire, Wish("alpha"), PATIENCE_SECONDS)])

    def states():
        return {entry["id"]: entry["toolgate"].get("state") for entry in wire.get("/v1/models")["data"]}

    until("it is not shown", lambda: (states()["alpha"], states()["beta"]) == ("loaded", "unloaded"))
    status, _, text = wire.request("GET", "/v1/models")
    assert status == 200 and b".gguf" not in text and b"llama-server" not in text
    for page in ("/models/sse", "/props", "/slots"):
        assert wire.request("GET", page)[0] == 404
    for button in ("load", "unload"):
        assert wire.request("POST", f"/models/{button}", b'{"model":"alpha"}')[0] == 404
