"""What a large store costs: memory from a thousand to a million frames, and time to start."""

import time
from pathlib import Path

from tests.bench.figures import Figures
from tests.bench.frames import DEVICES_COUNT
from tests.bench.load import Generator, Load
from tests.bench.programs import UPSTREAM, Hub, Mosquitto
from tests.bench.subscriber import Subscriber

ROUNDS = 5
FIRST_EACH = 20  # 1,000 in all
ROUND_EACH = 4000  # 200,000 in all
ROUNDS_TO_A_MILLION = 5


def measure(figures: Figures, folder: Path) -> None:
    """Fill five hubs with a million frames each; start the last one as often."""
    upstream = Mosquitto(folder / "upstream", settings=UPSTREAM)
    try:
        for number in range(ROUNDS):
            _measure_growth(figures, folder / f"growth-{number}", upstream.port)
        for _ in range(ROUNDS):
            hub = Hub(folder / f"growth-{ROUNDS - 1}", upstream.port)
            hub.stop()
            figures.add("hub.start_s_at_1m", hub.start_s, "s")
    finally:
        upstream.stop()


def _measure_growth(figures: Figures, folder: Path, upstream_port: int) -> None:
    hub = Hub(folder, upstream_port)
    subscriber = Subscriber(upstream_port, keep=False)
    try:
        sent = Generator(Load(hub.port, FIRST_EACH)).run()
        subscriber.wait(sent.acked)
        time.sleep(1)
        small_mib = hub.memory_mib()
        for boot in range(2, 2 + ROUNDS_TO_A_MILLION):
            before = subscriber.seen.value
            sent = Generator(Load(hub.port, ROUND_EACH, boot=boot)).run()
            subscriber.wait(before + DEVICES_COUNT * ROUND_EACH)
        time.sleep(1)
        figures.add("hub.rss_growth_mib", hub.memory_mib() - small_mib, "MiB")
        figures.add("hub.rss_mib_at_1m", hub.memory_mib(), "MiB")
    finally:
        subscriber.end()
        hub.stop()
