"""Serves a model with vLLM until its standard input ends, so that neither it nor its engine outlives its parent."""

import json
import os
import runpy
import signal
import sys
import threading


def leave_with_parent():
    sys.stdin.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main():
    options = json.loads(sys.argv[1])
    threading.Thread(target=leave_with_parent, daemon=True).start()
    sys.argv = [
        "vllm",
        *("--model", options["model"]),
        *("--served-model-name", *options["names"]),
        *("--host", "127.0.0.1"),
        *("--port", str(options["port"])),
        *("--max-model-len", str(options["contextTokens"])),
        *("--max-num-seqs", str(options["parallel"])),
        *("--dtype", "bfloat16"),
        # Compiling would take longer than all that is asked.
        "--enforce-eager",
    ]
    # Not by the `vllm` command: it looks for a package of that name, and the build for CPUs has another.
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")


# The engine's processes import this file again.
if __name__ == "__main__":
    main()
