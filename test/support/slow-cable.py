"""A cable between two network namespaces whose frames take their time, and some of which are lost, either way.

    slow-cable.py ONE OTHER DELAY_MS LOST_SHARE

Makes the tap devices ONE and OTHER in the namespace that it runs in, says "ready", and carries frames between them until it
is killed; a device may be moved to another namespace meanwhile. What `tc netem` does, for kernels without it. Needs root.
"""

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

# linux/if_tun.h: whole frames, without a header of the driver's own.
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
MOST_FRAME = 65_536


def tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def carry(one: int, other: int, delay: float, lost_share: float) -> None:
    far_end = {one: other, other: one}
    on_the_way: collections.deque[tuple[float, int, bytes]] = collections.deque()
    while True:
        wait = max(0.0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
        for device in select.select([one, other], [], [], wait)[0]:
            frame = read(device)
            if frame is not None and random.random() >= lost_share:
                on_the_way.append((time.monotonic() + delay, far_end[device], frame))
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, device, frame = on_the_way.popleft()
            write(device, frame)


def read(device: int) -> bytes | None:
    try:
        return os.read(device, MOST_FRAME)
    except BlockingIOError:
        return None


def write(device: int, frame: bytes) -> None:
    try:
        os.write(device, frame)
    except OSError:
        pass  # It is down, or full: a pulled cable loses what is on it.


one, other, delay_ms, lost_share = sys.argv[1:]
ends = tap(one), tap(other)
print("ready", flush=True)
carry(*ends, float(delay_ms) / 1_000, float(lost_share))
