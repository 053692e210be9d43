"""Many streams at once, a reader that does not read, and many requests one after the other: what they cost in memory.

The server is written here, so that it can stand still in the middle of an answer.
"""

import asyncio
import contextlib
import json
import resource

import pytest

from conftest import EXCHANGE_SECONDS, start_gateway
from test_openai import TOOLS, ask

STREAMS = 500
# Of a debug build, whose futures are large; docs/PERFORMANCE.md has the figure of a release.
STREAM_BYTES_MAX = 80 << 10
# An endless answer stops once it has filled the sockets on its way, of which each takes some MiB.
ENDLESS_BYTES_MAX = 64 << 20
# What a server that cannot write for so long has ahead of it is full. A slow machine makes this less strict, no more.
STALLED_SECONDS = 0.5
GROWTH_BYTES_MAX = 8 << 20

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

NOBODY = {"type": "function", "function": {"name": "nobody"}}

READING = pytest.mark.parametrize("more", [{}, {"tools": TOOLS}], ids=["untouched", "rewritten"])


def event(text):
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()


def request(**more):
    body = json.dumps({"messages": ask("text"), "stream": True, **more}).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def take_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))


class House:
    """A gateway before a server that answers as `script` does."""

    def __init__(self, folder, script):
        self.folder, self.script = folder, script

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=STREAMS)
        port = self.server.sockets[0].getsockname()[1]
        # It is asked nothing but what a test asks of it.
        pool = {"name": "crowd", "engine": "llama.cpp", "dialect": "hermes", "peers": [f"http://127.0.0.1:{port}"]}
        self.process, self.wire, self.admin = await asyncio.to_thread(start_gateway, self.folder, {"pools": [pool]})
        return self

    async def __aexit__(self, *_):
        await asyncio.to_thread(self.process.stop)
        self.server.close()

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await take_request(reader)
            await self.script(writer)
        writer.close()

    async def begin(self, request):
        host, port = self.wire.netloc.split(":")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        return reader, writer

    async def exchange(self, request):
        reader, writer = await self.begin(request)
        answer = await reader.read()
        writer.close()
        return answer

    async def status(self):
        return await asyncio.to_thread(self.admin.get, "/status")


def run(test):
    asyncio.run(asyncio.wait_for(test, 3 * EXCHANGE_SECONDS))


@READING
def test_hundreds_of_streams_that_stand_still(tmp_path, more):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 5 * STREAMS)), hard))

    async def test():
        go_on = asyncio.Event()

        async def script(writer):
            writer.write(HEAD + event("begun"))
            await go_on.wait()
            writer.write(END)

        async with House(tmp_path, script) as house:
            before = (await house.status())["memory_bytes"]
            clients = [await house.begin(request(**more)) for _ in range(STREAMS)]
            for reader, _ in clients:
                assert b"begun" in await reader.readuntil(b"begun")
            status = await house.status()
            assert status["in_flight"] == STREAMS
            assert (status["memory_bytes"] - before) / STREAMS < STREAM_BYTES_MAX
            go_on.set()
            for reader, writer in clients:
                assert (await reader.read()).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
                writer.close()
            while (await house.status())["in_flight"]:
                pass

    run(test())


@READING
def test_a_reader_that_does_not_read_makes_the_server_wait(tmp_path, more):
    async def test():
        written = asyncio.get_running_loop().create_future()

        async def script(writer):
            writer.write(HEAD)
            piece = event("~" * 1000) * 50
            for count in range(1, ENDLESS_BYTES_MAX // len(piece)):
                writer.write(piece)
                try:
                    await asyncio.wait_for(writer.drain(), STALLED_SECONDS)
                except TimeoutError:
                    written.set_result(50 * 1000 * count)
                    break
            else:
                written.set_exception(AssertionError("somebody keeps it all"))
            await writer.drain()
            writer.write(END)

        async with House(tmp_path, script) as house:
            before = (await house.status())["memory_bytes"]
            reader, writer = await house.begin(request(**more))
            expected = await written
            assert (await house.status())["memory_bytes"] - before < GROWTH_BYTES_MAX
            # And nothing is lost of it.
            answer = await reader.read()
            assert answer.count(b"~") == expected and answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            writer.close()

    run(test())


def test_many_exchanges_leave_nothing_behind(tmp_path):
    async def test():
        async def script(writer):
            writer.write(HEAD + event("begun") + END)

        async def some(house, count):
            """Streams of each kind, one that is assembled, one that is refused, one whose client leaves."""
            for _ in range(count):
                assert b"[DONE]" in await house.exchange(request())
                assert b"[DONE]" in await house.exchange(request(tools=TOOLS))
                assert b'"content":"begun"' in await house.exchange(request(tools=TOOLS, stream=False))
                assert b"400 Bad Request" in await house.exchange(request(tools=TOOLS, tool_choice=NOBODY))
                _, leaving = await house.begin(request(tools=TOOLS))
                leaving.close()

        async def round_of(house):
            await asyncio.gather(*(some(house, 20) for _ in range(8)))
            while (status := await house.status())["in_flight"]:
                pass
            return status["memory_bytes"]

        async with House(tmp_path, script) as house:
            sizes = [await round_of(house) for _ in range(4)]
            # The first round fills what is kept for the next ones.
            assert max(sizes[1:]) - sizes[1] < GROWTH_BYTES_MAX / 8, sizes

    run(test())
