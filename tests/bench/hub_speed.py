"""How fast and how late: 50 devices, a real hub, a real mosquitto; beside it a mosquitto bridge.

Every figure counts from the first frame sent until the last one was seen upstream and all were
acknowledged, whichever came later. A frame that was acknowledged and never arrived, or arrived
twice, is counted and shown.
"""

import selectors
import socket
import statistics
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.bench import mqtt_wire
from tests.bench.figures import Figures
from tests.bench.frames import DEVICES_COUNT
from tests.bench.latency import send_at_a_pace
from tests.bench.load import Generator, Load
from tests.bench.programs import UPSTREAM, Hub, Mosquitto
from tests.bench.subscriber import Subscriber
from tests.ports import free_port

FORK = get_context("fork")
ROUNDS = 5
FRAMES_EACH = 4000  # 200,000 in all: some seconds
FRAMES_EACH_DURABLE = 300  # a bridge that saves on each change does not take more in that time
# What may be under way through a mosquitto bridge; its generator must wait, ours need not. With
# its default bound of 1,000 queued messages version 2.0.11 drops some even of a hundred under way,
# so that bound is lifted.
BRIDGE_AHEAD = 1000
BRIDGE = ("max_queued_messages 0",)
BRIDGE_DURABLE = (*BRIDGE, "persistence true", "autosave_on_changes true", "autosave_interval 1")
SENDER = b"bench-"


def measure(figures: Figures, folder: Path) -> None:
    """Measure all of it, ours and the bridges in turn."""
    for number in range(ROUNDS):
        figures.add("hub.load_generator_frames_per_s", sink_frames_per_s(), "frames/s")
        ours = hub_frames_per_s(figures, folder / f"speed-{number}")
        plain = bridge_frames_per_s(folder / f"plain-{number}", BRIDGE, FRAMES_EACH)
        durable = bridge_frames_per_s(
            folder / f"durable-{number}", BRIDGE_DURABLE, FRAMES_EACH_DURABLE
        )
        figures.add("hub.mosquitto_plain_frames_per_s", plain, "frames/s")
        figures.add("hub.mosquitto_durable_frames_per_s", durable, "frames/s")
        figures.add("hub.mosquitto_plain_ratio", ours / plain, "times")
        figures.add("hub.mosquitto_durable_ratio", ours / durable, "times")
    for number in range(ROUNDS):
        measure_latency(figures, folder / f"latency-{number}")
    for number in range(ROUNDS):
        measure_drain(figures, folder / f"drain-{number}")


def hub_frames_per_s(figures: Figures, folder: Path) -> float:
    """Measure the hub once; return frames a second end to end."""
    upstream = Mosquitto(folder / "upstream", settings=UPSTREAM)
    hub = Hub(folder / "hub", upstream.port)
    try:
        subscriber = Subscriber(upstream.port)
        generator = Generator(Load(hub.port, FRAMES_EACH))
        cpu_s = hub.cpu_s()
        sent = generator.run()
        subscriber.wait(sent.acked)
        time.sleep(0.5)  # the hub's own records come in between; all that is under way
        cpu_s = hub.cpu_s() - cpu_s
        arrivals = subscriber.arrivals(SENDER)
        took_s = max(arrivals.last_s, sent.last_ack_s) - sent.first_s
        rate = sent.acked / took_s
        figures.add("hub.frames_per_s", rate, "frames/s")
        figures.add("hub.cpu_s_per_million_frames", cpu_s / sent.acked * 1e6, "s")
        figures.add("hub.rss_mib", hub.memory_mib("VmHWM"), "MiB")
        figures.add("hub.acked_but_lost", sent.acked - len(arrivals.arrived_s), "frames")
        figures.add("hub.arrived_twice", arrivals.repeated, "frames")
        return rate
    finally:
        hub.stop()
        upstream.stop()


def measure_latency(figures: Figures, folder: Path) -> None:
    """Measure 500 frames a second: from the device's kernel until a frame is seen upstream."""
    upstream = Mosquitto(folder / "upstream", settings=UPSTREAM)
    hub = Hub(folder / "hub", upstream.port)
    try:
        subscriber = Subscriber(upstream.port)
        sent_s = send_at_a_pace(hub.port)
        subscriber.wait(len(sent_s))
        time.sleep(0.2)
        arrived_s = subscriber.arrivals(SENDER).arrived_s
        late_ms = sorted((arrived_s[one] - sent_s[one]) * 1000 for one in sent_s)
        hundredths = statistics.quantiles(late_ms, n=100)
        figures.add("hub.end_to_end_ms_p50", hundredths[49], "ms")
        figures.add("hub.end_to_end_ms_p99", hundredths[98], "ms")
    finally:
        hub.stop()
        upstream.stop()


def measure_drain(figures: Figures, folder: Path) -> None:
    """Fill the hub while there is no broker, then start one: from the first frame to the last."""
    port = free_port()
    hub = Hub(folder / "hub", port)
    upstream = None
    try:
        sent = Generator(Load(hub.port, FRAMES_EACH)).run()
        hub.pause()  # or it would send before somebody counts
        upstream = Mosquitto(folder / "upstream", port=port, settings=UPSTREAM)
        subscriber = Subscriber(port)
        hub.resume()
        subscriber.wait(sent.acked, quiet_s=15)
        time.sleep(0.2)
        arrivals = subscriber.arrivals(SENDER)
        rate = len(arrivals.arrived_s) / (arrivals.last_s - arrivals.first_s)
        figures.add("hub.drain_frames_per_s", rate, "frames/s")
        figures.add("hub.drain_lost", sent.acked - len(arrivals.arrived_s), "frames")
    finally:
        hub.stop()
        if upstream is not None:
            upstream.stop()


def bridge_frames_per_s(folder: Path, settings: tuple[str, ...], count: int) -> float:
    """Measure a mosquitto that bridges to another; return frames a second end to end."""
    upstream = Mosquitto(folder / "upstream", settings=UPSTREAM)
    place = (f"persistence_location {folder}/edge/",)
    bridge = ("connection bench", f"address 127.0.0.1:{upstream.port}", "topic # out 1")
    edge = Mosquitto(folder / "edge", settings=(*settings, *place, *bridge))
    try:
        subscriber = Subscriber(upstream.port, bundled=False)
        _wait_for_bridge(edge.port, subscriber)
        before = subscriber.seen.value
        load = Load(edge.port, count, kind="mqtt", ahead=BRIDGE_AHEAD)
        sent = Generator(load, subscriber.seen).run()
        subscriber.wait(before + sent.acked)
        last_s = max(subscriber.last_s(), sent.last_ack_s)
        return sent.acked / (last_s - sent.first_s)
    finally:
        edge.stop()
        upstream.stop()


def _wait_for_bridge(port: int, subscriber: Subscriber) -> None:
    probe = mqtt_wire.connect(port, "bench-bridge")
    before, until_s = subscriber.seen.value, time.monotonic() + 30
    while subscriber.seen.value == before:
        if time.monotonic() > until_s:
            raise TimeoutError("the bridge does not come up")
        probe.sendall(mqtt_wire.publish("probe", 1, b"?"))
        time.sleep(0.05)
    probe.close()
    time.sleep(0.5)  # for what is still under way


def sink_frames_per_s() -> float:
    """Return what the load generator reaches against something that only reads."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=DEVICES_COUNT)
    pipe, theirs = FORK.Pipe()
    process = FORK.Process(target=_sink, args=(listener, theirs), daemon=True)
    process.start()
    load = Load(listener.getsockname()[1], FRAMES_EACH, kind="sink")
    sent = Generator(load).run()
    last_s: float = pipe.recv()
    process.join()
    listener.close()
    return DEVICES_COUNT * FRAMES_EACH / (last_s - sent.first_s)


def _sink(listener: socket.socket, pipe: Any) -> None:
    links = selectors.DefaultSelector()
    for _ in range(DEVICES_COUNT):
        links.register(listener.accept()[0], selectors.EVENT_READ)
    block = bytearray(1 << 20)
    while links.get_map():
        for key, _ in links.select():
            link: Any = key.fileobj
            if not link.recv_into(block):
                links.unregister(link)
                link.close()
    pipe.send(time.monotonic())
