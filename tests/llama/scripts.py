"""What the test model writes: one text for each name.

A name in double square brackets in a message chooses its text; the last one in the conversation counts.
The calls are written as each family writes them, so that the gateway has them to read.
"""

import json

from families import WRITERS

CITY, DAYS = "Paris", 3

LARGE = {"city": "Zürich 東京 \"quoted\" \\ back\nnew line. " * 200, "days": DAYS}


def hermes(arguments):
    call = json.dumps({"name": "get_weather", "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


SEPARATED = {"city": "Paris\u2028Rome\u2029Oslo\u0085", "days": DAYS}
PARIS, ROME = {"city": CITY, "days": DAYS}, {"city": "Rome", "days": 1}

# One call in each dialect, the prose before it where the family allows prose.
CALLS = {
    "hermes": "Let me look.\n" + hermes(PARIS),
    "qwen3-coder": (
        "Let me look.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
        "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
    ),
    "gemma4": 'Let me look.\n<|tool_call>call:get_weather{city:<|"|>Paris<|"|>,days:3}<tool_call|>',
    "llama3-json": '{"name": "get_weather", "parameters": {"city": "Paris", "days": 3}}',
    "python-code": 'Let me look.\n```python\nget_weather(GetWeatherModel(city="Paris", days=3))\n```',
    "json-envelope": 'Let me look.\n{"tool_call": {"name": "get_weather", "arguments": {"city": "Paris", "days": 3}}}',
}

SCRIPTS = {
    **CALLS,
    "text": "Hello! This is a real server, and no call is in sight.",
    "final": "It is 18 °C in Paris, and the sun shines.",
    "two-in-code": (
        '```python\nget_weather(GetWeather(city="Paris", days=3))\nget_weather(GetWeather(city="Rome", days=1))\n```'
    ),
    "two": f"{hermes(PARIS)}\n{hermes(ROME)}",
    "think": f"<think>\nThe user wants the weather.\n</think>\n\nOne moment.\n{hermes(PARIS)}",
    "unicode": "Grüße aus 東京 🦀👍🏽!\n" + hermes({"city": "München 🌧️", "days": DAYS}),
    "large": hermes(LARGE),
    "large-code": f"```python\nget_weather(city={LARGE['city']!r}, days={DAYS})\n```",
    # Long enough that every cut between its 60th and 90th token lies inside the call's city.
    "cut": hermes({"city": "Llanfairpwllgwyngyll, " * 60}),
    "unknown": 'No such tool:\n<tool_call>\n{"name": "launch_rocket", "arguments": {}}\n</tool_call>\nso be it.',
    "thought": f"<think>\nThe user wants the weather.\n</think>\n\n{hermes(PARIS)}",
    "partial": hermes(PARIS).replace("get_weather", "Partialget_weather"),
    # What each family calls in a turn, beside other words and without.
    **{f"{family}-calls": write([PARIS, ROME]) for family, write in WRITERS.items()},
    **{f"{family}-required": write([PARIS, ROME], "") for family, write in WRITERS.items()},
    # What some readers of lines take for a line's end.
    "separators": f"One\u2028two\u2029three\u0085four.\n{hermes(SEPARATED)}",
}

# A beginning, and what follows it over and over, until the client leaves or a limit is reached.
LOOPS = {
    "loop": ("Listen: ", "tick tock over and over again, "),
    "endless": ('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris, ', "and again, "),
}

# The models of a box that has several, and the family whose calls each writes. What one says no other does.
FAMILIES = {"alpha": "hermes", "beta": "llama3-json", "gamma": "gemma4"}


def scripts_of(model):
    """What a model says that is one of several."""
    return {"text": f"It is {model} who speaks.", "call": CALLS[FAMILIES[model]].replace(CITY, f"{model} town")}


def loops_of(model):
    return {"loop": (f"Listen to {model}: ", f"{model} goes on and over, ")}


# What a family's chat template holds, by which the gateway knows it.
SIGNS = {"hermes": "<tool_call>", "llama3-json": "<|python_tag|>", "gemma4": "<|tool_call>call:"}

# What ends something, in the dialects that a model of noise is asked for: it would write on for ever without.
ENDINGS = [
    "</think>",
    "\n</parameter>\n",
    "</parameter>",
    "</function>",
    "</tool_call>",
    "<channel|>",
    "<tool_call|>",
    '<|"|>',
    "</arg_value>",
    "<｜tool▁call▁end｜>",
    '"}',
    "}}",
    '"]',
    '", ',
    "}]",
]

READS = {"name": "Read", "arguments": {"file_path": "note.txt"}}
EDITS = {"file_path": "note.txt", "old_string": "heron [[egret]]", "new_string": "egret [[edited]]"}


def in_tags(name, **arguments):
    """A call in the tags of Qwen3-Coder."""
    values = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{values}</function>\n</tool_call>"


# What an agent on the command line is told to do. Its files hold the markers of what is said next.
SCRIPTS |= {
    "read": f"I shall read it.\n<tool_call>\n{json.dumps(READS)}\n</tool_call>",
    "heron": "The secret word is heron.",
    "egret": "It becomes another.\n" + in_tags("Edit", **EDITS),
    "edited": "The word is another one.",
    "look": in_tags("Read", file_path="dot.png"),
    "run": "I shall run it.\n" + in_tags("Bash", command="ls; cat spoken.txt", description="Looks around"),
    "fail": in_tags("Bash", command="cat failed.txt; exit 3", description="Fails"),
    "cut-command": in_tags("Bash", command="touch made.txt; echo " + "a word too many, " * 60, description="Makes"),
    "ran": "The command says what it says.",
    "failed": "The command failed.",
}


def in_json(name, **arguments):
    """A call in Hermes' tags."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


# A turn in which tools run on the server: of two markers in one message the one that stands later here counts.
SCRIPTS |= {
    "turn-read": "First I read it. " + in_json("read_file", file_path="word.txt"),
    "turn-edit": "Now I change it. "
    + in_json("edit_file", file_path="word.txt", old_string="heron [[turn-edit]]", new_string="egret [[turn-grep]]"),
    "turn-grep": "Who else says so? " + in_json("grep_search", pattern="egret", path="."),
    "turn-run": "And now by hand. " + in_json("run_command", command="cat last.txt; echo done >> last.txt"),
    "turn-last": "One more look. " + in_json("read_file", file_path="last.txt"),
    "turn-done": "The word is egret.",
    # A call of each side, whose order clients never see.
    "turn-mixed": "Both at once. " + in_json("read_file", file_path="last.txt") + "\n" + in_json("get_weather", **PARIS),
    # Tools of a server of tools.
    "turn-search": "I ask the docs. " + in_json("docs__search", query="heron [[turn-found]]", limit=1),
    "turn-found": "The docs say heron.",
    "turn-hang": "I wait for it. " + in_json("docs__hang"),
    # A file that looks like a call.
    "turn-trap": "I read that one. " + in_json("read_file", file_path="trap.txt"),
}
