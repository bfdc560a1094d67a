"""MPU-6050 at register level (InvenSense PS-MPU-6000A-00 rev 3.4; RM-MPU-6000A-00 rev 4.2).

Modelled: identity, power-up values, reset, sleep, clock sources, divider and filter table, ranges,
data registers, FIFO of 1024 bytes that loses its oldest bytes, its counter and overflow flag,
data-ready flag, factory trims and self-test force, noise, bias, saturation. Not modelled: cycle
mode, motion detection, auxiliary I2C master, interrupt and FSYNC pins, a still gyroscope's
sensitivity to acceleration, the errors of sensitivity (3 %), and that the accelerometer repeats
its samples above 1000 Hz. A flag of INT_STATUS is set only where INT_ENABLE allows it.

Signal: (x, y, z) in m/s2, gravity included. It does not rotate, and it has 25 degrees Celsius.
"""

import struct
from typing import Any

from simulators.chips.chip import RegisterChip, Ticker, clip

STANDARD_GRAVITY = 9.80665
# Product specification, sections 6.1 and 6.2.
NOISE_G_PER_ROOT_HZ = 400e-6
BIAS_G = (0.05, 0.05, 0.08)
GYRO_NOISE_DPS_PER_ROOT_HZ = 0.005
GYRO_BIAS_DPS = 20.0
TEMPERATURE_STEPS = round((25 - 36.53) * 340)
ACCEL_BANDWIDTHS_HZ = (260, 184, 94, 44, 21, 10, 5, 260)  # register map, section 4.3
FIFO_SIZE = 1024
REGISTERS_COUNT = 0x76

SELF_TEST_X, SMPLRT_DIV, CONFIG, GYRO_CONFIG, ACCEL_CONFIG = 0x0D, 0x19, 0x1A, 0x1B, 0x1C
FIFO_EN, INT_ENABLE, INT_STATUS, DATA_FIRST, DATA_END = 0x23, 0x38, 0x3A, 0x3B, 0x49
SIGNAL_PATH_RESET, USER_CTRL, PWR_MGMT_1, PWR_MGMT_2 = 0x68, 0x6A, 0x6B, 0x6C
FIFO_COUNT_H, FIFO_COUNT_L, FIFO_R_W, WHO_AM_I = 0x72, 0x73, 0x74, 0x75
IDENTITY = 0x68
DEVICE_RESET, SLEEP = 0x80, 0x40
FIFO_ON, FIFO_RESET = 0x40, 0x04
DATA_READY, FIFO_OVERFLOW = 0x01, 0x10
# bit of FIFO_EN -> which bytes of the 14 data bytes it sends, in the order of the registers
FIFO_PARTS = ((0x08, 0, 6), (0x80, 6, 8), (0x40, 8, 10), (0x20, 10, 12), (0x10, 12, 14))
# register -> bits that can be written; all others are read-only here
WRITABLE = {
    SMPLRT_DIV: 0xFF,
    CONFIG: 0x3F,
    GYRO_CONFIG: 0xF8,
    ACCEL_CONFIG: 0xF8,
    FIFO_EN: 0xFF,
    0x37: 0xFE,
    INT_ENABLE: 0x19,
    SIGNAL_PATH_RESET: 0x00,  # acts and clears itself
    USER_CTRL: 0x70,  # the reset bits act and clear themselves
    PWR_MGMT_1: 0x6F,
    PWR_MGMT_2: 0xFF,
}


class Mpu6050Chip(RegisterChip):
    """One MPU-6050. Timed by a gyroscope it is off by up to 1 %, by itself five times that."""

    rate_error_ppm_max = 10_000

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        self.bias_g = tuple(self.piece_error(typical, 3 * typical) for typical in BIAS_G)
        self.gyro_bias_dps = tuple(self.piece_error(GYRO_BIAS_DPS / 3, 20.0) for _ in range(3))
        self.trim_codes = tuple(self.random.randrange(8, 24) for _ in range(3))

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "i2c" at "address" (0x68)."""
        board.attach_i2c(settings["i2c"], settings.get("address", 0x68), self)

    def power_on(self, now_us: int) -> None:
        """Take power-up values: it sleeps."""
        self._registers = bytearray(REGISTERS_COUNT)
        self._registers[PWR_MGMT_1] = SLEEP
        self._registers[WHO_AM_I] = IDENTITY
        for axis, code in enumerate(self.trim_codes):
            self._registers[SELF_TEST_X + axis] = code >> 2 << 5
            self._registers[SELF_TEST_X + 3] |= (code & 3) << 4 - 2 * axis
        self._fifo = bytearray()
        self._last_byte = 0
        self._newest = bytes(14)
        self._ticker = None
        self._made = 0

    def advance(self, now_us: int) -> None:
        """Make the samples due until now, but for those that a full FIFO would lose."""
        ticker = self._ticker
        if ticker is None or ticker.count(now_us) == self._made:
            return
        due = ticker.count(now_us)
        first = max(self._made + 1, due - FIFO_SIZE // 2)
        if not self._registers[USER_CTRL] & FIFO_ON:
            first = due
        for k in range(first, due + 1):
            if self.fault != "stuck_value":
                self._newest = self._convert(ticker.instant_us(k))
            self._put()
        self._made = due

    def write_registers(self, register: int, data: bytes, now_us: int) -> None:
        """Write from register on; FIFO_R_W takes all that follows."""
        for at, value in enumerate(data, register):
            if at not in WRITABLE:
                continue
            self._registers[at] = value & WRITABLE[at]
            if at == USER_CTRL and value & FIFO_RESET and not value & FIFO_ON:
                self._fifo.clear()
            elif at == PWR_MGMT_1 and value & DEVICE_RESET:
                self.power_on(now_us)
            elif at in (SMPLRT_DIV, CONFIG, PWR_MGMT_1):
                self._restart(now_us)

    def read_registers(self, register: int, buf: bytearray) -> None:
        """Fill buf from register on; from FIFO_R_W the FIFO goes on coming."""
        for index in range(len(buf)):
            at = min(register + index, FIFO_R_W) if register <= FIFO_R_W else register + index
            buf[index] = self._value(at)

    def _restart(self, now_us: int) -> None:
        """Sample afresh as divider, filter and clock source say."""
        self._ticker = None
        self._made = 0
        source = self._registers[PWR_MGMT_1] & 0x07
        if self._registers[PWR_MGMT_1] & SLEEP or source == 7:
            return
        base_mhz = 8_000_000 if self._registers[CONFIG] & 0x07 in (0, 7) else 1_000_000
        rate_nhz = self.true_rate_nhz(base_mhz / (1 + self._registers[SMPLRT_DIV]))
        if source == 0:
            rate_nhz += 4 * (rate_nhz - self._nominal_nhz(base_mhz))
        self._ticker = Ticker(now_us, rate_nhz)

    def _nominal_nhz(self, base_mhz: int) -> int:
        return base_mhz * 1_000_000 // (1 + self._registers[SMPLRT_DIV])

    def _put(self) -> None:
        self._flag(DATA_READY)
        if not self._registers[USER_CTRL] & FIFO_ON:
            return
        for bit, start, end in FIFO_PARTS:
            if self._registers[FIFO_EN] & bit:
                self._fifo += self._newest[start:end]
        if len(self._fifo) > FIFO_SIZE:
            del self._fifo[:-FIFO_SIZE]
            self._flag(FIFO_OVERFLOW)

    def _flag(self, flag: int) -> None:
        self._registers[INT_STATUS] |= flag & self._registers[INT_ENABLE]

    def _convert(self, t_us: int) -> bytes:
        """Return the 14 data bytes at t_us."""
        accel_config, gyro_config = self._registers[ACCEL_CONFIG], self._registers[GYRO_CONFIG]
        bandwidth_hz = ACCEL_BANDWIDTHS_HZ[self._registers[CONFIG] & 0x07]
        steps_per_g = 16384 >> (accel_config >> 3 & 3)
        sigma = NOISE_G_PER_ROOT_HZ * bandwidth_hz**0.5
        words = []
        for axis, acceleration in enumerate(self.signal.sample(t_us)):
            value_g = acceleration / STANDARD_GRAVITY + self.bias_g[axis] + self.noise(sigma)
            if accel_config & 0x80 >> axis:
                value_g += self._trim_g(axis)
            words.append(clip(value_g * steps_per_g, 16))
        words.append(TEMPERATURE_STEPS)
        sigma = GYRO_NOISE_DPS_PER_ROOT_HZ * bandwidth_hz**0.5
        for bias_dps in self.gyro_bias_dps:
            rate_dps = bias_dps + self.noise(sigma)
            words.append(clip(rate_dps * 131 / (1 << (gyro_config >> 3 & 3)), 16))
        return struct.pack(">7h", *words)

    def _trim_g(self, axis: int) -> float:
        """Return how far self-test moves an axis: as it did in the factory."""
        return 0.34 * float((0.92 / 0.34) ** ((self.trim_codes[axis] - 1) / 30))

    def _value(self, register: int) -> int:
        if register == FIFO_R_W:
            if self._fifo:
                self._last_byte = self._fifo.pop(0)
            return self._last_byte
        if register == FIFO_COUNT_H:
            return len(self._fifo) >> 8
        if register == FIFO_COUNT_L:
            return len(self._fifo) & 0xFF
        if DATA_FIRST <= register < DATA_END:
            return self._newest[register - DATA_FIRST]
        if register == WHO_AM_I and self.fault == "wrong_identity":
            return 0x70
        value = self._registers[register % REGISTERS_COUNT]
        if register == INT_STATUS:
            self._registers[INT_STATUS] = 0
        return value
