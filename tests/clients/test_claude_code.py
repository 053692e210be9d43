"""Claude Code itself, in an environment of its own: it works on files with a model that writes its calls as text.

Each scenario is a run from the command line, in a folder and a home of its own, and no address but the gateway's leads
anywhere.
"""

import base64
import contextlib
import json
import os
import platform
import re
import subprocess

import pytest

from conftest import ROOT, Wire, start_gateway, start_llama
from model import family_template
from scripts import LOOPS, SCRIPTS
from test_anthropic import DOT, play

PACKAGES = ROOT / "tests" / "clients" / "frameworks" / "claude-code" / "node_modules" / "@anthropic-ai"
MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
CLAUDE = PACKAGES / f"claude-code-{platform.system().lower()}-{MACHINE}" / "claude"
# Most of what it sends by itself would be too much to read for a server on a processor.
SMALL = ["--tools", "Read,Edit,Bash", "--allowedTools", "Read Edit Bash", "--system-prompt", "You help."]
QUIET = {
    "ANTHROPIC_AUTH_TOKEN": "none",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
}
# One run; far more than it takes.
RUN_SECONDS = 60
# Models whose tools the gateway writes, and in whose dialect.
MODELS = {"local": "hermes", "tagged": "qwen3-coder"}
# A template that writes tools itself and refuses, as several do, what the system says later.
STRICT = (
    "{%- for m in messages %}{%- if m.role == 'system' and not loop.first %}"
    "{{ raise_exception('System message must be at the beginning.') }}{%- endif %}{%- endfor %}"
)
SAID = "It is said at last."
# A server that dies in each stream that is a client's own: only then is it asked how far it is.
DIES = {
    "answers": [
        {"when": {"anywhere": '"return_progress":true'}, "text": "I begin to say a good many words.", "die_after": 5},
        {"text": SAID},
    ]
}
# What servers say of a conversation that leaves no room for so long an answer, and of one that is too long by itself.
TOO_MUCH = (
    "This model's maximum context length is 40960 tokens. However, you requested 52000 tokens (20000 in the messages, "
    "32000 in the completion). Please reduce the length of the messages or completion."
)
TOO_LONG = (
    "This model's maximum context length is 16384 tokens. However, your request has 20000 input tokens. "
    "Please reduce the length of the input messages."
)
FULL = {
    "answers": [
        {
            "when": {"anywhere": '"max_tokens":32000', "newest": "[[most]]"},
            "error": {"status": 400, "message": TOO_MUCH},
        },
        {"when": {"newest": "<summary>"}, "text": "<summary>A heron was spoken of.</summary>"},
        {"when": {"anywhere": "[[first]]", "newest": "[[more]]"}, "error": {"status": 400, "message": TOO_LONG}},
        {"text": SAID},
    ]
}
# A server that does not say whether it sees, and tells what it has been shown.
SEES = {"answers": [{"when": {"anywhere": "data:image/png"}, "text": SAID}, {"text": SCRIPTS["look"]}]}
# One that says that it does not.
BLIND = {
    "chat_template": "<tool_call>",
    "answers": [
        {"when": {"newest": "[image: the model cannot see images]"}, "text": SAID},
        {"text": SCRIPTS["look"]},
    ],
}


@pytest.fixture(scope="module")
def house(gguf, tmp_path_factory):
    """A gateway before real servers with a long context, one with a strict template, and four that are played."""
    folder = tmp_path_factory.mktemp("claude-code")
    with contextlib.ExitStack() as close:
        server, llama = start_llama(gguf, folder / "llama.log", n_parallel=1)
        close.callback(server.stop)
        template = STRICT + family_template([*SCRIPTS, *LOOPS], "hermes")
        server, strict = start_llama(gguf, folder / "strict.log", n_parallel=1, chat_template=template)
        close.callback(server.stop)
        pools = [
            {"name": name, "models": [name], "dialect": dialect, "tools": "inject", "peers": [llama.url]}
            for name, dialect in MODELS.items()
        ]
        pools.append({"name": "strict", "models": ["strict"], "tools": "parse", "peers": [strict.url]})
        scripts = {"dies": DIES, "full": FULL, "blind": BLIND, "sees": SEES}
        played = {name: play(close, folder, name, script) for name, script in scripts.items()}
        pools += [
            {"name": name, "models": [name], "dialect": "hermes", "tools": "inject", "failovers_max": 0, "peers": [url]}
            for name, url in played.items()
        ]
        gateway, wire, _ = start_gateway(folder, {"alias": {"claude-sonnet-4-5": "local"}, "pools": pools})
        close.callback(gateway.stop)
        wire.played = played
        yield wire


class Desk:
    """A folder with files, a home, and Claude Code at work in it."""

    def __init__(self, house, folder):
        self.house, self.folder, self.home = house, folder / "work", folder / "home"
        self.folder.mkdir()
        self.home.mkdir()

    def run(self, prompt, model, *more, settings=SMALL, limit=32_000):
        """The status, and what is told of the run, whose answers have so many tokens at most."""
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), "ANTHROPIC_BASE_URL": self.house.url}
        own["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(limit)
        result = subprocess.run(
            [CLAUDE, "-p", prompt, "--model", model, "--output-format", "json", "--max-turns", "6", *settings, *more],
            cwd=self.folder,
            env={**own, **QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        assert result.stdout, result.stderr
        return result.returncode, json.loads(result.stdout)


@pytest.fixture
def desk(house, tmp_path):
    return Desk(house, tmp_path)


def done(came, said, turns):
    """A run that went well."""
    status, told = came
    assert (status, told["is_error"], told["result"], told["num_turns"]) == (0, False, said, turns), told
    assert told["stop_reason"] == "end_turn" and not told["permission_denials"]
    return told


def heard(house, name):
    """The chats that a played server has heard."""
    return [each["body"] for each in Wire(house.played[name]).get("/mock/heard") if "chat" in each["target"]]


@pytest.mark.parametrize("model", [*MODELS, "strict", "claude-sonnet-4-5"])
def test_it_reads_a_file_and_answers_from_it(desk, model):
    (desk.folder / "note.txt").write_text("the secret word is heron [[heron]]\n")
    told = done(desk.run("What is the secret word in note.txt? [[read]]", model), SCRIPTS["heron"], 2)
    usage = told["usage"]
    # The second turn finds the first in the cache, and nothing is counted twice.
    assert usage["cache_read_input_tokens"] > usage["input_tokens"] / 2 > 0
    assert 10 < usage["output_tokens"] < 200


@pytest.mark.parametrize("model", ["local", "tagged"])
def test_it_edits_a_file(desk, model):
    (desk.folder / "note.txt").write_text("the secret word is heron [[egret]]\n")
    done(desk.run("Make it another word. [[read]]", model), SCRIPTS["edited"], 3)
    assert (desk.folder / "note.txt").read_text() == "the secret word is egret [[edited]]\n"


@pytest.mark.parametrize("model", ["tagged", "strict"])
def test_it_runs_a_command(desk, model):
    (desk.folder / "spoken.txt").write_text("hello [[ran]]\n")
    done(desk.run("Run it. [[run]]", model), SCRIPTS["ran"], 2)


@pytest.mark.parametrize("model", ["tagged", "strict"])
def test_a_command_that_fails_is_told_to_the_model(desk, model):
    (desk.folder / "failed.txt").write_text("no [[failed]]\n")
    done(desk.run("Run it. [[fail]]", model), SCRIPTS["failed"], 2)


@pytest.mark.parametrize("limit, is_run", [(100, False), (32_000, True)], ids=["cut", "whole"])
def test_a_command_that_is_cut_off_is_not_run(desk, limit, is_run):
    """The model writes the same over and over, until its turns are used up."""
    desk.run("Run it. [[cut-command]]", "tagged", limit=limit)
    assert (desk.folder / "made.txt").exists() == is_run


def test_it_shows_a_picture_to_a_model_that_may_see(desk):
    (desk.folder / "dot.png").write_bytes(base64.b64decode(DOT))
    done(desk.run("Look at it.", "sees"), SAID, 2)
    *_, newest = heard(desk.house, "sees")[-1]["messages"]
    assert "data:image/png;base64," in json.dumps(newest)


def test_a_model_that_sees_nothing_hears_so_and_goes_on(desk):
    (desk.folder / "dot.png").write_bytes(base64.b64decode(DOT))
    done(desk.run("Look at it.", "blind"), SAID, 2)


def test_a_stream_that_breaks_is_asked_for_again_whole(desk):
    done(desk.run("Say something.", "dies"), SAID, 1)
    first, second = heard(desk.house, "dies")
    assert first["messages"] == second["messages"]


def test_an_answer_for_which_there_is_no_room_is_asked_for_shorter(desk):
    done(desk.run("Say something. [[most]]", "full"), SAID, 1)
    limits = [chat["max_tokens"] for chat in heard(desk.house, "full")]
    assert limits == [32000, 40960 - 20000 - 1000]


def test_a_conversation_that_is_too_long_is_made_shorter_and_goes_on(desk):
    done(desk.run("Say something. [[first]]", "full"), SAID, 1)
    done(desk.run("Say more. [[second]]", "full", "--continue"), SAID, 1)
    status, told = desk.run("Go on. [[more]]", "full", "--continue")
    assert (status, told["is_error"], told["result"]) == (0, False, SAID)
    last = json.dumps(heard(desk.house, "full")[-1]["messages"])
    assert "A heron was spoken of." in last and "[[first]]" not in last


def test_a_prompt_that_nothing_can_shorten_is_an_error(desk):
    """Its own words and tools are more than the server can read."""
    status, told = desk.run("Say something. [[final]]", "local", settings=[])
    assert (status, told["is_error"]) == (1, True)
    assert told["result"].startswith("Prompt is too long") and "limit 65536" in told["result"]


def test_it_counts_its_context(desk):
    status, told = desk.run("/context", "local", settings=[])
    assert (status, told["is_error"]) == (0, False)
    # In thousands; what it sends by itself has some 76 kB, and the model's tokens are bytes.
    rows = dict(re.findall(r"^\| ([^|]+) \| ([0-9.]+)k \|", told["result"], re.MULTILINE))
    assert float(rows["System prompt"]) > 2 and float(rows["System tools"]) > 30
