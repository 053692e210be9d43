"""Clients of boxes with several models: what they ask for, and whether each gets what its model says.

What they do is drawn beforehand from a seed, so that it is the same each time.
"""

import concurrent.futures
import contextlib
import dataclasses
import http.client
import itertools
import json
import random
import time

from scripts import FAMILIES, scripts_of

HEADERS = {"Content-Type": "application/json", "X-Toolgate-Explain": "1"}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
]


@dataclasses.dataclass
class Wish:
    """A request, and how its client behaves."""

    model: str
    script: str = "text"
    is_streamed: bool = True
    # `stays`, or leaves `at once` when it has asked, or `in the middle`.
    client: str = "stays"

    def body(self):
        messages = [{"role": "user", "content": f"What is the weather? [[{self.script}]]"}]
        tools = {"tools": TOOLS} if self.script == "call" else {}
        return {"model": self.model, "messages": messages, "stream": self.is_streamed, **tools}

    def answer(self):
        """What a whole answer to it is, as `Answer.said`."""
        if self.script == "text":
            return scripts_of(self.model)["text"], [], "stop"
        # Not every family writes prose before a call.
        prose = "Let me look." if scripts_of(self.model)["call"].startswith("Let me look.") else ""
        return prose, [("get_weather", {"city": f"{self.model} town", "days": 3})], "tool_calls"


@dataclasses.dataclass
class Answer:
    wish: Wish
    # The status, or the name of what went wrong on the way.
    status: int | str
    body: bytes = b""
    comments: list = dataclasses.field(default_factory=list)
    first_token_seconds: float | None = None
    why: str | None = None

    def said(self):
        """Its text, its calls, and how it ended; `None` where it is none, or not whole."""
        if self.status != 200:
            return None
        choices = self.whole() if not self.wish.is_streamed else self.streamed()
        if choices is None:
            return None
        text, calls, finish = choices
        return text.strip(), [(call["name"], json.loads(call["arguments"])) for call in calls], finish

    def whole(self):
        choice = json.loads(self.body)["choices"][0]
        calls = [call["function"] for call in choice["message"].get("tool_calls") or []]
        return choice["message"].get("content") or "", calls, choice["finish_reason"]

    def streamed(self):
        events = [line[6:] for line in self.body.splitlines() if line.startswith(b"data: ")]
        if not events or events.pop() != b"[DONE]":
            return None
        text, calls, finish = "", [], None
        for choice in (choice for event in events for choice in json.loads(event).get("choices", [])):
            delta = choice["delta"]
            text += delta.get("content") or ""
            finish = choice["finish_reason"] or finish
            for piece in delta.get("tool_calls") or []:
                if piece["index"] == len(calls):
                    calls.append({"name": piece["function"]["name"], "arguments": ""})
                calls[piece["index"]]["arguments"] += piece["function"].get("arguments") or ""
        return text, calls, finish

    def error(self):
        """The code of an error, whether it came as a status or, behind comments, as an event."""
        for line in [self.body, *(line[6:] for line in self.body.splitlines() if line.startswith(b"data: {"))]:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return json.loads(line)["error"]["code"]
        return None


def draw(seed, count, leaving=0.0):
    """So many wishes for the models of `FAMILIES`, of which a share leaves."""
    rng = random.Random(seed)
    wishes = []
    for _ in range(count):
        client = rng.choice(["at once", "in the middle"]) if rng.random() < leaving else "stays"
        wishes.append(Wish(rng.choice(list(FAMILIES)), rng.choice(["text", "call"]), rng.random() < 0.6, client))
    return wishes


def ask(wire, wish, patience):
    """Sends one and reads what comes, as far as its client stays. Never waits longer than the patience in seconds."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection(wire.netloc, timeout=max(patience, 0.1))
    answer = Answer(wish, "hung")
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(wish.body()), HEADERS)
        if wish.client == "at once":
            return Answer(wish, "left")
        # Each comment would begin the time of the socket anew.
        socket = connection.sock
        with connection.getresponse() as response:
            answer.why = response.getheader("X-Toolgate-Why")
            for line in response:
                seconds = time.monotonic() - begun
                if line.startswith(b":"):
                    answer.comments.append(line[1:].strip().decode())
                elif line.startswith(b"data: "):
                    answer.first_token_seconds = answer.first_token_seconds or seconds
                    if wish.client == "in the middle":
                        return Answer(wish, "left")
                answer.body += line
                socket.settimeout(max(patience - seconds, 0.1))
            answer.status = response.status
    except TimeoutError:
        pass
    except (OSError, http.client.HTTPException) as problem:
        answer.status = f"broken off: {problem!r}"
    finally:
        connection.close()
    return answer


def ask_all(wires, wishes, clients, patience, after_each=lambda: None):
    """So many clients together, each of which asks as soon as it has an answer, of one gateway or of several in turn.

    The patience is for all of it; who comes when it is over is `hung`.
    """
    end = time.monotonic() + patience

    def one(wish, wire):
        answer = ask(wire, wish, end - time.monotonic())
        after_each()
        return answer

    with concurrent.futures.ThreadPoolExecutor(clients) as threads:
        return list(threads.map(one, wishes, itertools.cycle(wires)))


def wrong(answers):
    """Of those whose clients stayed, whatever is not what its model says."""
    stayed = [answer for answer in answers if answer.wish.client == "stays"]
    return [answer for answer in stayed if answer.said() != answer.wish.answer()]
