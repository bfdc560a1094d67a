"""How far the UTC of a reading is off that was taken before the hub was ever heard.

Both real sessions exchange time over a link whose delay is drawn from a seed, the hub's own table
of clocks takes the exchanges, and its clock records go to the reader. The device's crystal is off
by up to 50 ppm. Virtual time: the figure does not depend on this machine.
"""

import random
from pathlib import Path
from typing import NamedTuple

from hub.device_clocks import Clocks
from protocols.cose import DeviceKeys
from protocols.messages import TIME_REPLY
from protocols.session import DeviceSession, HubSession
from protocols.utc import UtcReader
from protocols.vocabulary import UTC_SYNCHRONISED
from tests.bench.figures import Figures

BOOTS = 300
OFFLINE_S_MAX = 60
EXCHANGES = 12
INTERVAL_US = 10_000_000
CRYSTAL_PPM_MAX = 50
UTC_OFFSET_US = 1_790_000_000_000_000
HELLO = {"boot": 1, "firmware": "", "profile": "", "mode": 0, "drill": False,
         "reset_cause": "power_on", "log": [], "policy": 0}  # fmt: skip
WELCOME = {"mode": 0, "drill": False, "durable": []}


class Delays(NamedTuple):
    """Of one way of a link, in us: least, and what chance adds (mean of an exponential, most)."""

    least_us: int
    mean_us: int
    most_us: int

    def draw(self, chance: random.Random) -> int:
        """Return the delay of one message."""
        return self.least_us + min(int(chance.expovariate(1 / self.mean_us)), self.most_us)


LAN = Delays(150, 400, 8_000)
# A connection interval of 30 ms, and a turn of a busy loop at either end.
RADIO = Delays(5_000, 12_000, 40_000)


class Boot:
    """One boot of a device that the hub hears late. true_us: UTC of a time on its clock."""

    def __init__(self, seed: int, delays: Delays) -> None:
        self._chance = random.Random(seed)
        self._delays = delays
        self.ppm = self._chance.uniform(-CRYSTAL_PPM_MAX, CRYSTAL_PPM_MAX)
        self.heard_us = self._chance.randrange(1, OFFLINE_S_MAX * 1_000_000)
        keys = DeviceKeys("d", bytes(32))
        self._device = DeviceSession(keys, self._chance.randbytes(8), 0)
        self._hub = HubSession(keys, self._chance.randbytes(8), 0)
        self._clocks = Clocks()
        self.reader = UtcReader()
        self._records = 0

    def play(self) -> None:
        """Open the session and exchange time now and then."""
        now_us = self.heard_us
        self._device.start(HELLO)
        for frame in self._device.take_output():
            now_us += self._delays.draw(self._chance)
            self._hub.receive(frame, now_us)
        self._hub.welcome(WELCOME, now_us)
        for _ in range(EXCHANGES):
            self._exchange(now_us)
            now_us += INTERVAL_US
            self._hub.ask_time(now_us)

    def error_us(self, device_us: int) -> tuple[int, int]:
        """Return how far off the reader's UTC is, and how far it says that it may be."""
        found = self.reader.utc_us("d", 1, device_us)
        assert found is not None
        return found[0] - UTC_OFFSET_US - self.world_us(device_us), found[1]

    def device_us(self, world_us: int) -> int:
        """Return what the device's clock shows."""
        return world_us + round(world_us * self.ppm / 1_000_000)

    def world_us(self, device_us: int) -> int:
        """Return when the device's clock shows that."""
        return round(device_us / (1 + self.ppm / 1_000_000))

    def _exchange(self, sent_us: int) -> None:
        there_us = sent_us + self._delays.draw(self._chance)
        for frame in self._hub.take_output():
            self._device.receive(frame, self.device_us(there_us))
        back_us = there_us + self._delays.draw(self._chance)
        for frame in self._device.take_output():
            for kind, fields in self._hub.receive(frame, back_us):
                if kind == TIME_REPLY:
                    self._take(fields["device_us"], sent_us, back_us)

    def _take(self, device_us: int, sent_us: int, received_us: int) -> None:
        row = self._clocks.exchange(("d", 1), device_us, sent_us, received_us)
        if row is None:
            return
        self._records += 1
        fields = {"device": "d", "boot": 1, "device_us": row.device_us, "rate_ppb": row.rate_ppb,
                  "utc_us": row.hub_us + UTC_OFFSET_US, "uncertainty_us": row.uncertainty_us,
                  "quality": UTC_SYNCHRONISED}  # fmt: skip
        self.reader.feed("hub", (1, self._records, 2, row.hub_us), fields)


def errors_us(delays: Delays, boots: int = BOOTS) -> list[int]:
    """Return the errors, smallest first, of readings from before the hub was heard."""
    errors = []
    for seed in range(boots):
        boot = Boot(seed, delays)
        boot.play()
        for share in (0, 50, 100):
            device_us = boot.device_us(boot.heard_us) * share // 100
            error_us, uncertainty_us = boot.error_us(device_us)
            assert abs(error_us) <= uncertainty_us + 1
            errors.append(abs(error_us))
    return sorted(errors)


def measure(figures: Figures, folder: Path) -> None:
    """Measure on a LAN, and on Bluetooth or a serial line with 40 ms of jitter."""
    for key, delays in (("clock.error_ms_p99", LAN), ("clock.radio_error_ms_p99", RADIO)):
        errors = errors_us(delays)
        figures.add(key, errors[len(errors) * 99 // 100] / 1000, "ms")
