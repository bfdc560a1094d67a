"""500 frames a second, evenly: every two milliseconds one of the next device, and when it went."""

import time
from multiprocessing import get_context
from typing import Any

from tests.bench.frames import DEVICES_COUNT, identity_of
from tests.bench.load import HubConnection, Load
from tests.bench.subscriber import Identity

FORK = get_context("fork")
PERIOD_S = 0.002
FRAMES_EACH = 80  # 4,000 in all: eight seconds


def send_at_a_pace(port: int) -> dict[Identity, float]:
    """Send from a process of its own; return the monotonic time at which each frame went out."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_send, args=(port, theirs), daemon=True)
    process.start()
    sent_s: dict[Identity, float] = ours.recv()
    process.join()
    return sent_s


def _send(port: int, pipe: Any) -> None:
    load = Load(port, FRAMES_EACH)
    connections = [HubConnection(number, load) for number in range(DEVICES_COUNT)]
    time.sleep(0.5)  # the greetings are over
    sent_s: dict[Identity, float] = {}
    due_s = time.monotonic()
    for index in range(FRAMES_EACH):
        for connection in connections:
            due_s += PERIOD_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            ends = connection.stream.ends
            frame = connection.stream.blob[ends[index - 1] if index else 0 : ends[index]]
            sent_s[identity_of(bytes(frame[2:]))] = time.monotonic()
            connection.link.sendall(frame)
    pipe.send(sent_s)
    time.sleep(0.5)  # the last acknowledgements find somebody to read them
