"""Runs llama.cpp's own HTTP server, out of a prebuilt wheel: serve.py MODEL.gguf PORT ADDRESS [PARAMETER=VALUE …].

The file ADDRESS holds where it listens as soon as it does; the log's lines are those of several threads.
"""

import os
import signal
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.port = int(sys.argv[2])
parameters.hostnames = ["127.0.0.1"]
parameters.n_ctx = 65536
parameters.n_parallel = 4
parameters.cpuparams.n_threads = 1
parameters.use_jinja = True
parameters.endpoint_slots = True
parameters.endpoint_props = True
parameters.endpoint_metrics = True
parameters.warmup = False
for setting in sys.argv[4:]:
    name, value = setting.split("=", 1)
    setattr(parameters, name, int(value) if value.isdigit() else value)
# The name is kept: the server lives as long as the object.
server = xllamacpp.Server(parameters)
with open(f"{sys.argv[3]}.new", "w") as address:
    address.write(server.listening_address)
# Whole or not there.
os.rename(address.name, sys.argv[3])
signal.sigwait({signal.SIGTERM, signal.SIGINT})
os._exit(0)
