"""An MCP server as its users write one, with the official SDK: over stdio, or over HTTP for those who have the key.

    mcp_server.py FOLDER             stdio
    mcp_server.py FOLDER PORT KEY    streamable HTTP on the loopback

In the folder it notes that a call has begun, and that it was cancelled.
"""

import asyncio
import pathlib
import sys

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer

folder = pathlib.Path(sys.argv[1])
server = MCPServer("docs")


@server.tool()
def search(query: str, limit: int = 2) -> str:
    """Finds pages."""
    return "\n".join(f"{query} {number}" for number in range(limit))


@server.tool()
def pages() -> list[str]:
    """All pages."""
    return ["one", "two"]


@server.tool()
def picture() -> Image:
    """A picture."""
    return Image(data=b"\x89PNG1234", format="png")


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("not told")


@server.tool()
async def work(ctx: Context) -> str:
    """Works for two seconds, and says how far it is."""
    for step in range(4):
        await asyncio.sleep(0.5)
        await ctx.report_progress(step, 4)
    return "worked"


@server.tool()
async def hang() -> str:
    """Never answers."""
    (folder / "begun").touch()
    try:
        await asyncio.Event().wait()
    finally:
        (folder / "cancelled").touch()
    return "never"


class Locked:
    """Lets in who has the key."""

    def __init__(self, app, key):
        self.app, self.key = app, f"Bearer {key}".encode()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or dict(scope["headers"]).get(b"authorization") == self.key:
            return await self.app(scope, receive, send)
        await send({"type": "http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Bearer")]})
        await send({"type": "http.response.body", "body": b"no"})


if len(sys.argv) == 2:
    server.run("stdio")
else:
    uvicorn.run(Locked(server.streamable_http_app(), sys.argv[3]), host="127.0.0.1", port=int(sys.argv[2]))
