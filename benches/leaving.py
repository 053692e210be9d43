"""How soon a server's connection closes once its client has left, through a running gateway.

    python3 benches/leaving.py target/release/toolgate
"""

import socket
import statistics
import subprocess
import sys
import time

ROUNDS = 30
PATIENCE = 5
ASKED = '"model":"m","messages":[{"role":"user","content":"x"}]'
TOOLS = ',"tools":[{"type":"function","function":{"name":"f"}}]'
STREAM = ',"stream":true'
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

CASES = [
    ("uploading what nobody reads first", "/upload", ASKED, "uploading"),
    ("before the first byte, tools, streamed", "/v1/chat/completions", ASKED + STREAM + TOOLS, "waiting"),
    ("before the first byte, tools, whole", "/v1/chat/completions", ASKED + TOOLS, "waiting"),
    ("before the first byte, no tools", "/v1/chat/completions", ASKED, "waiting"),
    ("in mid-stream, tools", "/v1/chat/completions", ASKED + STREAM + TOOLS, "streaming"),
    ("in mid-stream, no tools", "/v1/chat/completions", ASKED + STREAM, "streaming"),
]


def listener():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(ROUNDS)
    return server


def free_port():
    with listener() as server:
        return server.getsockname()[1]


def connect(port):
    """A connection to the gateway, once it listens."""
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("the gateway does not listen")


def asked(server):
    """The connection on which the request comes. What toolgate asks for itself is not answered."""
    while True:
        upstream, _ = server.accept()
        upstream.settimeout(PATIENCE)
        if upstream.recv(65536).startswith(b"POST"):
            return upstream
        upstream.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        upstream.close()


def milliseconds(server, port, path, members, phase):
    body = f"{{{members}}}".encode()
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    client = connect(port)
    client.sendall(head.encode() + (body[:10] if phase == "uploading" else body))
    upstream = asked(server)
    if phase == "streaming":
        upstream.sendall(HEAD + b"%x\r\n%s\r\n" % (len(EVENT), EVENT))
        while b"hi" not in client.recv(65536):
            pass
    time.sleep(0.02)
    left = time.perf_counter()
    client.close()
    try:
        while upstream.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return (time.perf_counter() - left) * 1000


def main():
    server, port = listener(), free_port()
    command = [sys.argv[1], "run", "--upstream", f"http://127.0.0.1:{server.getsockname()[1]}"]
    command += ["--listen", f"127.0.0.1:{port}", "--dialect", "hermes"]
    gateway = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        connect(port).close()
        print("| the client leaves | median, ms | most, ms |\n|--|--|--|")
        for name, path, members, phase in CASES:
            took = [milliseconds(server, port, path, members, phase) for _ in range(ROUNDS)]
            print(f"| {name} | {statistics.median(took):.2f} | {max(took):.2f} |")
    finally:
        gateway.terminate()
        gateway.wait()


main()
