"""Serves a GGUF model with llama.cpp's own HTTP server until its standard input ends, so that it never outlives its parent."""

import json
import os
import sys
import threading

import xllamacpp

options = json.loads(sys.argv[1])


def leave_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=leave_with_parent, daemon=True).start()

parameters = xllamacpp.CommonParams()
parameters.model.path = options["model"]
parameters.model_alias = options["names"]
parameters.hostnames = ["127.0.0.1"]
parameters.port = options["port"]
parameters.n_parallel = options["parallel"]
parameters.n_ctx = options["parallel"] * options["contextTokens"]
parameters.endpoint_metrics = True
parameters.cpuparams.n_threads = options["threads"]
parameters.cpuparams_batch.n_threads = options["threads"]
server = xllamacpp.Server(parameters)
threading.Event().wait()
