"""Instructions that an event and a request cost outside of the kernel, beside a bare Pingora proxy.

    python3 benches/counted.py target/release/toolgate [PROGRAM…]

Each program runs under valgrind, with one thread for requests so that it counts the same each time; its server and its
client are this process. A figure is what a longer run counts more than a shorter one, so that starting and stopping are
not in it, and the median of a few. The bare proxy is that of `benches/gateway`, which cargo builds unless `--bare` says
where it is. With `--functions` it says what each of toolgate's own functions costs, with all that it calls. One that
the compiler put into its caller is not seen; one that is called again from below itself is counted more than once. With `--models` each toolgate is also
counted before a server that has several models, of which the one that is asked for is loaded.
"""

import argparse
import collections
import json
import os
import pathlib
import queue
import random
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).parent.parent
PATIENCE = 60
FUNCTIONS_MAX = 40

TOOLS = [
    {"type": "function", "function": {"name": "note", "description": "Writes a note.", "parameters": {
        "type": "object", "required": ["text"], "properties": {
            "text": {"type": "string", "description": "What it says."}, "urgent": {"type": "boolean"}}}}},
    {"type": "function", "function": {"name": "read", "description": "Reads the notes of a day.", "parameters": {
        "type": "object", "required": ["day"], "properties": {
            "day": {"type": "string"}, "limit": {"type": "integer"}}}}},
]
# Past turns of an agent, some 64 KiB.
TURN = [
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {
        "name": "read", "arguments": json.dumps({"day": "Monday", "limit": 3})}}]},
    {"role": "tool", "tool_call_id": "1", "content": "The \"gate\" stood open,\nand no one came.\n" * 40},
]
HISTORY = TURN * 34

TOKENS = ["The", " gate", " stands", " open", ",", " and", " no", " one", " waits", ".", " It", " is"]
OPENING = ["<tool_call>", "\n", "{\"", "name", "\":", " \"", "note", "\",", " \"", "arguments", "\":", " {\"", "text",
           "\":", " \""]
CLOSING = ["\"", "}}", "\n", "</tool_call>"]

HEAD = (b"HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max=100\r\n\r\n")

# What is asked for: the messages before the last, the tools, and the call that the answer is, if it is one.
Kind = collections.namedtuple("Kind", "name history tools opening closing")
NO_TOOLS = Kind("no tools", [], None, [], [])
TEXT = Kind("tools, a text", [], TOOLS, [], [])
CALL = Kind("tools, a call", [], TOOLS, OPENING, CLOSING)
AGENT = Kind("tools, 64 KiB of past turns", HISTORY, TOOLS, [], [])

# So many requests whose answers have so many tokens, each sent alone, or as fast as they go.
Run = collections.namedtuple("Run", "requests tokens alone")
# What a figure is made of: a run, a longer one, and how much more often the longer one does what is counted.
Row = collections.namedtuple("Row", "name kind short long times")


def rows():
    # Streams that fit into sockets' buffers, so that how they come is the same each time.
    for kind in NO_TOOLS, TEXT, CALL:
        yield Row(f"an event, {kind.name}", kind, Run(8, 50, False), Run(8, 300, False), 2000)
    for kind in NO_TOOLS, TEXT, CALL:
        yield Row(f"an event alone, {kind.name}", kind, Run(1, 100, True), Run(1, 1100, True), 1000)
    for kind in NO_TOOLS, TEXT, AGENT:
        yield Row(f"a request, {kind.name}", kind, Run(10, 1, False), Run(40, 1, False), 30)


def chunk(data):
    data = data.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(delta, finish=None):
    """As llama-server writes it."""
    data = {"choices": [{"finish_reason": finish, "index": 0, "delta": delta}], "created": 1795163173,
            "id": "chatcmpl-w3uR26Su3x3lYdeXFf7mSj05bUqEAOme", "model": "some-model.gguf",
            "system_fingerprint": "b11669-Debian", "object": "chat.completion.chunk"}
    return chunk(f"data: {json.dumps(data, separators=(',', ':'))}\n\n")


def texts(tokens):
    return [event({"content": token}) for token in tokens]


# What a llama-server tells of several models that is asked for one of them.
MODELS = {
    "/props": {"role": "router", "max_instances": 2},
    "/models": {"data": [{"id": "m", "status": {"value": "loaded"}}, {"id": "n", "status": {"value": "unloaded"}}]},
    "/props?model=m&autoload=false": {"total_slots": 4, "chat_template": "<tool_call>"},
}


class Server:
    """Answers each request with the tokens of a run, at once, or each when its client has the one before."""

    def __init__(self, kind, run, pages):
        self.pages = pages
        begin = [event({"role": "assistant", "content": None}), *texts(kind.opening)]
        end = [*texts(kind.closing), event({}, "stop"), chunk("data: [DONE]\n\n"), chunk("")]
        # Those that come alone are told apart, and nothing in them lets their reader wait for more.
        self.alone = [f" gate{at}x" for at in range(run.tokens)] if run.alone else []
        many = [] if run.alone else [TOKENS[at % len(TOKENS)] for at in range(run.tokens)]
        self.before = HEAD + b"".join([*begin, *texts(many)])
        self.after = b"".join(end)
        self.had = queue.SimpleQueue()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=[connection], daemon=True).start()

    def answer(self, connection):
        with connection:
            head = read_head(connection)
            # The gateway asks about the server too.
            if not head.startswith(b"POST"):
                return self.tell(connection, head.split()[1].decode())
            connection.sendall(self.before)
            for token, piece in zip(self.alone, texts(self.alone)):
                connection.sendall(piece)
                self.wait_for(token.encode())
            return connection.sendall(self.after)

    def tell(self, connection, target):
        """A page about the server; what it says of its models' states never comes to an end."""
        if self.pages and target == "/models/sse":
            connection.sendall(HEAD)
            return connection.recv(1)
        page = self.pages.get(target)
        body = json.dumps(page).encode() if page else b""
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        return connection.sendall(head % (b"200 OK" if page else b"404 Not Found", len(body)) + body)

    def wait_for(self, token):
        """Until the client has a token. One that does not come out ends the answer, and so the count."""
        had = b""
        while token not in had:
            had += self.had.get(timeout=PATIENCE)


def read_head(connection):
    """Reads a whole request; returns what its body is not."""
    head = b""
    with connection.makefile("rb") as file:
        for line in file:
            head += line
            if line == b"\r\n":
                break
        length = re.search(rb"content-length: (\d+)", head, re.I)
        file.read(int(length[1]) if length else 0)
    return head


def request(kind, server, port):
    """Sends a request and reads its answer to the end, telling the server what comes."""
    messages = [{"role": "system", "content": "You keep the gate."}, *kind.history,
                {"role": "user", "content": "Who goes there? Make a note of it."}]
    body = {"model": "m", "stream": True, "messages": messages}
    if kind.tools:
        body |= {"tools": kind.tools, "tool_choice": "auto"}
    body = json.dumps(body, separators=(",", ":")).encode()
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    answer = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(head + body)
        while piece := connection.recv(65536):
            answer += piece
            if server.alone:
                server.had.put(piece)
    return answer


class Program:
    """What is counted: a proxy, started in a folder with the addresses of its own and of its server."""

    def __init__(self, name, command, call_ends="tool_calls", pages={}):
        self.name, self.command, self.pages = name, command, pages
        self.call_ends = call_ends

    def count(self, kind, run, out="/dev/null"):
        """The instructions of one process that does a run."""
        server, port = Server(kind, run, self.pages), free_port()
        with tempfile.TemporaryDirectory() as folder:
            command = self.command(folder, f"127.0.0.1:{port}", f"127.0.0.1:{server.port}")
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                wait_for(port)
                for _ in range(run.requests):
                    self.check(kind, request(kind, server, port))
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()
        return int(re.search(r"Collected : (\d+)", errors)[1])

    def check(self, kind, answer):
        """That what is counted happens: a call comes out where one is to, and nothing is cut off."""
        finish = self.call_ends if kind.opening else "stop"
        if f'"finish_reason":"{finish}"'.encode() not in answer or b"data: [DONE]" not in answer:
            raise SystemExit(f"{self.name}, {kind.name}: not the answer that was wanted: {answer[-500:]}")

    def figure(self, row, rounds):
        """How many instructions a row's event or request costs."""
        figures = [(self.count(row.kind, row.long) - self.count(row.kind, row.short)) / row.times
                   for _ in range(rounds)]
        return statistics.median(figures)

    def functions(self, row):
        """The same by function: what it and all that it calls cost."""
        totals = []
        for run in row.long, row.short:
            with tempfile.NamedTemporaryFile() as out:
                self.count(row.kind, run, out.name)
                totals.append(inclusive(out.name))
        long, short = totals
        return {name: (count - short.get(name, 0)) / row.times for name, count in long.items()}


def toolgate(path, pages={}):
    def command(folder, own, server):
        file = pathlib.Path(folder) / "toolgate.yaml"
        # It is asked how it is once, so that no check is counted.
        pool = {"name": "default", "dialect": "hermes", "check_ms": 86_400_000, "peers": [f"http://{server}"]}
        file.write_text(json.dumps({"listen": own, "server": {"threads": 1}, "pools": [pool]}))
        return [path.resolve(), "run", "-c", file]
    return Program(f"{path.name}, several models" if pages else path.name, command, pages=pages)


def bare(path):
    return Program("bare Pingora", lambda _, own, server: [path.resolve(), "bare", own, server, "1"], call_ends="stop")


def built_bench():
    """The program of `benches/gateway`, built if it has to be."""
    command = ["cargo", "bench", "--no-run", "--bench", "gateway", "--message-format=json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    return next(pathlib.Path(message["executable"]) for message in messages
                if message["reason"] == "compiler-artifact" and message["target"]["name"] == "gateway")


def inclusive(out):
    """Instructions of each function with all that it calls, out of callgrind's file; generic copies are one."""
    names, totals = {}, collections.Counter()
    function = called = None
    with open(out) as lines:
        for line in lines:
            key, _, value = line.strip().partition("=")
            if key in ("fn", "cfn"):
                # A name is written once, behind its number.
                number, _, name = value.partition(" ")
                if name:
                    names[number] = re.sub(r"::h[0-9a-f]{16}|'\d+$", "", name)
                if key == "fn":
                    function = names[number]
                else:
                    called = names[number]
            elif line[0] in "+-*0123456789":
                # Its own, or the whole of a call; what it calls of itself is in its own.
                if called != function:
                    totals[function] += int(line.split()[-1])
                called = None
    return totals


def free_port():
    """Below those that the system gives to connections, one of which would otherwise get it before the program has."""
    while True:
        port = random.randrange(10_000, 30_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            pass


def wait_for(port):
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("a program does not listen")


def print_figures(programs, rounds, chosen):
    """The first program is the one that the others are compared with."""
    heads = [programs[0].name, *(f"{program.name} | over it" for program in programs[1:])]
    print("| instructions | " + " | ".join(heads) + " |")
    print("|--|" + "--|" * (2 * len(programs) - 1))
    # Under valgrind each process has one thread at a time.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in chosen:
            first, *others = pool.map(lambda program: program.figure(row, rounds), programs)
            cells = [f"{first:,.0f}", *(f"{figure:,.0f} | {figure / first:.2f}" for figure in others)]
            print(f"| {row.name} | " + " | ".join(cells) + " |", flush=True)


def print_functions(programs, row):
    costs = [program.functions(row) for program in programs]
    print(f"| {row.name} | " + " | ".join(program.name for program in programs) + " |")
    print("|--|" + "--|" * len(programs))
    most = {name: max(cost.get(name, 0) for cost in costs) for name in set().union(*costs) if "toolgate" in name}
    for name in sorted(most, key=most.get, reverse=True)[:FUNCTIONS_MAX]:
        print(f"| `{name}` | " + " | ".join(f"{cost.get(name, 0):,.0f}" for cost in costs) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="+", type=pathlib.Path, help="toolgate, built with optimisations")
    parser.add_argument("--bare", type=pathlib.Path, help="the built program of benches/gateway")
    parser.add_argument("--rounds", type=int, default=3, help="how many differences a figure is the median of")
    parser.add_argument("--rows", default="", help="only rows in whose name this stands")
    parser.add_argument("--functions", action="store_true", help="of each row, where the instructions are")
    parser.add_argument("--models", action="store_true", help="also before a server that has several models")
    args = parser.parse_args()
    servers = [{}, MODELS] if args.models else [{}]
    programs = [toolgate(path, pages) for path in args.program for pages in servers]
    chosen = [row for row in rows() if args.rows in row.name]
    if args.functions:
        for row in chosen:
            print_functions(programs, row)
    else:
        print_figures([bare(args.bare or built_bench()), *programs], args.rounds, chosen)


main()
