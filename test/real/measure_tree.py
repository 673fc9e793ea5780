"""Runs a program to its end and writes the CPU seconds of it and of all that it started, orphans included.

    measure_tree.py RESULT PROGRAM ARGUMENT…

Ends with the program's exit code, and kills its own process group once its standard input ends, so that nothing outlives its
parent. Of children CPU time is known when they have been waited for; this process adopts those whose parents did not wait.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading

PR_SET_CHILD_SUBREAPER = 36


def leave_with_parent():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


# A group of its own, so that nobody else is in what it kills.
if os.getpgrp() != os.getpid():
    os.setpgrp()
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
threading.Thread(target=leave_with_parent, daemon=True).start()

code = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL).wait()
while True:
    try:
        os.wait()
    except ChildProcessError:
        break

used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w", encoding="utf-8") as result:
    json.dump({"cpuSeconds": used.ru_utime + used.ru_stime}, result)
# Not by `sys.exit`, which would wait for the thread that reads.
sys.stdout.flush()
os._exit(code if code >= 0 else 128 - code)
