"""How many bytes a reading takes on the wire: whole frames, authentication and all."""

import math
import random

from agent.sensor import READINGS_MAX
from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.framing import prefixed
from protocols.vocabulary import LANE_STATE, LANE_WAVE
from tests.bench.figures import Figures

SEEDS = (1, 2, 3)
SLOW_COUNT = 60
START_US = 3_600_000_000  # an hour after the start: times of the length that they mostly have
AXES = ("acc.x", "acc.y", "acc.z")
WAVE_COUNT = READINGS_MAX // len(AXES)  # what the agent puts into one frame: 5 s at 100 Hz
RATE_HZ = 100
# ADXL355 data sheet, table 1: 256,000 LSB/g at +-2 g, of which the driver keeps 16 bits, and
# 22.5 ug/sqrt(Hz) up to a quarter of the rate.
LSB_M_S2 = 16 * 9.80665 / 256_000
NOISE_M_S2 = 22.5e-6 * 9.80665 * math.sqrt(RATE_HZ / 4)
SWAY_HZ = 2.4
SWAY_M_S2 = 0.01  # a span on an ordinary day, nobody crossing


def measure(figures: Figures, folder: object) -> None:
    """Measure frames of a river gauge and of a quiet bridge, of several seeds."""
    for seed in SEEDS:
        draw = random.Random(seed)
        slow = _frame_size([_slow(draw)], LANE_STATE)
        figures.add("wire.bytes_per_slow_reading", slow / SLOW_COUNT, "bytes")
        waves = [_wave(draw, channel) for channel in AXES]
        for key, plain in (("wave_sample", True), ("wave_sample_packed", False)):
            for wave in waves:
                wave.plain = plain
            size = _frame_size(waves, LANE_WAVE)
            figures.add(f"wire.bytes_per_{key}", size / (WAVE_COUNT * len(AXES)), "bytes")


def _frame_size(series: list[Series], lane: int) -> int:
    keys = DeviceKeys("bridge-span-1", bytes(32))
    payload = encode_batch((1234, 567_890, lane, START_US), series)
    return len(prefixed(keys.up.seal(payload)))


def _slow(draw: random.Random) -> Series:
    """A river in millimetres that rises one a minute, with the ripple of its surface."""
    values = [2000 + minute + round(draw.gauss(0, 4)) for minute in range(SLOW_COUNT)]
    return Series("level", "m", (-3, 1), START_US, spacing_ns=60_000_000_000, values=values)


def _wave(draw: random.Random, channel: str) -> Series:
    """A quiet bridge: the first mode of the span and the noise of the sensor."""
    values = []
    for position in range(WAVE_COUNT):
        sway_m_s2 = SWAY_M_S2 * math.sin(2 * math.pi * SWAY_HZ * position / RATE_HZ)
        values.append(round((sway_m_s2 + draw.gauss(0, NOISE_M_S2)) / LSB_M_S2))
    spacing_ns = 1_000_000_000 // RATE_HZ
    scale = (-10, 6_129_156)
    return Series(channel, "m/s2", scale, START_US, spacing_ns=spacing_ns, values=values)
