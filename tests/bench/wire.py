"""How many bytes a reading takes on the wire: whole frames, authentication and all."""

import math
import random

from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.framing import prefixed
from protocols.vocabulary import LANE_STATE, LANE_WAVE
from tests.bench.figures import Figures

SEEDS = (1, 2, 3)
SLOW_COUNT = 60  # an hour of a river gauge, a reading a minute
WAVE_COUNT = 250  # a second of one axis
AXES = ("acc.x", "acc.y", "acc.z")
LSB_M_S2 = 3.9e-6 * 9.80665  # ADXL355 data sheet, table 1, range 2 g
NOISE_M_S2 = 22.5e-6 * 9.80665 * math.sqrt(62.5)  # its noise density over the band of 125 Hz output


def measure(figures: Figures, folder: object) -> None:
    """Measure frames of a river gauge and of a quiet bridge, of several seeds."""
    for seed in SEEDS:
        draw = random.Random(seed)
        slow = _size([_slow(draw)], LANE_STATE)
        figures.add("wire.bytes_per_slow_reading", slow / SLOW_COUNT, "bytes")
        for key, plain in (("wire.bytes_per_wave_sample", True), ("wire.bytes_per_wave_sample_packed", False)):
            waves = [_wave(draw, channel, plain) for channel in AXES]
            figures.add(key, _size(waves, LANE_WAVE) / (WAVE_COUNT * len(AXES)), "bytes")


def _size(series: list[Series], lane: int) -> int:
    keys = DeviceKeys("bridge-span-1", bytes(32))
    payload = encode_batch((1234, 567_890, lane, 3_600_000_000), series)
    return len(prefixed(keys.up.seal(payload)))


def _slow(draw: random.Random) -> Series:
    """A river in millimetres that rises a little, with the ripple of its surface."""
    values = [2000 + minute + round(draw.gauss(0, 4)) for minute in range(SLOW_COUNT)]
    return Series("level", "m", (-3, 1), 3_600_000_000, spacing_ns=60_000_000_000, values=values)


def _wave(draw: random.Random, channel: str, plain: bool) -> Series:
    """One second of a quiet bridge: the noise of the sensor and a mode of 2.4 Hz of 1 mm/s2."""
    values = []
    for position in range(WAVE_COUNT):
        sway_m_s2 = 0.001 * math.sin(2 * math.pi * 2.4 * position / WAVE_COUNT)
        values.append(round((sway_m_s2 + draw.gauss(0, NOISE_M_S2)) / LSB_M_S2))
    scale = (-8, 3825)
    return Series(channel, "m/s2", scale, 3_600_000_000, spacing_ns=4_000_000, values=values, plain=plain)
