"""What the bridge's drivers say on their buses, to boards that only remember it.

The models of the chips under simulators/ need CPython; this runs on a board's interpreter too.
"""

from array import array

from agent import drivers
from agent.drivers.errors import SensorError
from agent.hal.errors import ENODEV, ETIMEDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Clock:
    """Time moves only when somebody waits."""

    def __init__(self) -> None:
        self.time_us = 0

    def now_us(self) -> int:
        return self.time_us

    def sleep_us(self, duration_us: int) -> None:
        self.time_us += duration_us


class RegisterBoard:
    """A board with one chip on I2C, which is a table of registers: number -> its bytes."""

    def __init__(self, registers: "dict[int, bytes]") -> None:
        self.clock = Clock()
        self.registers = registers
        self.written: list[tuple[int, bytes]] = []
        self.fault = 0

    def i2c(self, bus: int) -> "RegisterBoard":
        assert bus == 0
        return self

    def readfrom_mem_into(self, addr: int, register: int, buf: bytearray) -> None:
        if self.fault:
            raise OSError(self.fault)
        assert len(buf) == len(self.registers[register])
        buf[:] = self.registers[register]

    def writeto_mem(self, addr: int, register: int, buf: bytes) -> None:
        if self.fault:
            raise OSError(self.fault)
        self.written.append((register, bytes(buf)))


class FifoBoard:
    """A board with one ADXL355 on SPI: registers that can be written, and a FIFO of bytes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.registers = bytearray(64)
        self.registers[:3] = b"\xad\x1d\xed"
        self.fifo = b""
        self.waves: list[tuple[int, int]] = []

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "FifoBoard":
        assert (bus, cs, mode) == (0, 17, 0)
        return self

    def pwm(self, number: int, rate_mhz: int) -> None:
        self.waves.append((number, rate_mhz))

    def transfer(self, out: bytearray, into: bytearray) -> None:
        register = out[0] >> 1
        size = len(out) - 1
        if not out[0] & 1:
            self.registers[register] = out[1]
        elif register == 0x11:
            taken = self.fifo[:size]
            self.fifo = self.fifo[size:]
            into[1:] = taken + b"\x00\x00\x02" * ((size - len(taken)) // 3)
            self.registers[5] = len(self.fifo) // 3
        else:
            into[1:] = self.registers[register : register + size]

    def put(self, entries: bytes) -> None:
        self.fifo += entries
        self.registers[5] = len(self.fifo) // 3


def driver(board: "Any", name: str, **settings: int) -> "Any":
    row: dict[str, object] = {"name": "s", "driver": name}
    row.update(settings)
    return drivers.create(name, board, row)


def read_one(sensor: "Any", now_us: int = 0) -> "int | None":
    out = array("i", [0])
    return out[0] if sensor.read(out, now_us) else None


def error_of(call: "Any") -> SensorError:
    try:
        call()
    except SensorError as error:
        return error
    assert False


def test_strain_is_configured_calibrated_and_read() -> None:
    board = RegisterBoard({0x00: b"\x08", 0x1F: b"\x0f", 0x02: b"\x24"})
    sensor = driver(board, "nau7802", i2c=0, rate_mhz=40_000)
    sensor.start()
    assert board.written == [
        (0x00, b"\x01"),  # reset
        (0x00, b"\x06"),  # power up
        (0x01, b"\x2f"),  # 3.0 V, gain 128
        (0x15, b"\x30"),
        (0x1C, b"\x80"),
        (0x00, b"\x96"),  # run on the own regulator
        (0x02, b"\x24"),  # 40/s, calibrate
    ]
    assert read_one(sensor) is None
    board.registers = {0x00: b"\x9e", 0x02: b"\x20"}
    assert read_one(sensor) is None
    board.registers = {0x00: b"\xbe", 0x12: b"\xff\xff\x00"}
    assert read_one(sensor) == -16
    board.registers = {0x00: b"\x08"}
    assert "lost its settings" in error_of(lambda: read_one(sensor)).cause


def test_strain_tells_only_its_own_bits() -> None:
    board = RegisterBoard({0x00: b"\x9e", 0x1F: b"\x0f", 0x02: b"\x20"})
    sensor = driver(board, "nau7802", i2c=0, rate_mhz=40_000)
    sensor.start()
    board.registers = {0x00: b"\x97", 0x02: b"\x23"}  # neither fresh nor failed
    assert read_one(sensor) is None
    board.registers[0x02] = b"\x28"
    sensor._is_calibrating = True
    assert "could not calibrate" in error_of(lambda: read_one(sensor)).cause


def test_an_amplifier_without_power_is_waited_for_ten_times() -> None:
    board = RegisterBoard({0x00: b"\x97", 0x1F: b"\x0f"})  # every bit but the one
    error = error_of(driver(board, "nau7802", i2c=0, rate_mhz=40_000).start)
    assert "does not power up" in error.cause
    assert board.clock.time_us == 10_000


def test_self_test_of_the_amplifier_is_at_its_fastest_and_leaves_it_as_it_was() -> None:
    for code, passes in (
        (b"\x00\x00\x00", True),
        (b"\x7f\xff\xfe", True),
        (b"\x7f\xff\xff", False),
        (b"\x80\x00\x01", True),
        (b"\x80\x00\x00", False),
    ):
        board = RegisterBoard({0x00: b"\x9e", 0x1F: b"\x0f", 0x02: b"\x20", 0x12: code})
        sensor = driver(board, "nau7802", i2c=0, rate_mhz=40_000)
        assert sensor.self_test() == passes
        begun = [at for at, said in enumerate(board.written) if said == (0x00, b"\x01")]
        assert len(begun) == 2 and begun[0] == 0  # begun anew before and after
        rates = [data for register, data in board.written if register == 0x02]
        assert rates == [b"\x24", b"\x74", b"\x24"]
        sensor.stop()
        assert board.written[-1] == (0x00, b"\x00")


def test_displacement_is_configured_and_counted_from_its_zero() -> None:
    line = {"zero_uv": 480_000, "full_uv": 2_400_000, "full_um": 100_000}
    board = RegisterBoard({1: b"\x42\x23", 2: b"\x80\x00", 3: b"\x7f\xff", 0: b"\x0f\x01"})
    sensor = driver(board, "ads1115", i2c=0, rate_mhz=8_000, broken_below_uv=432_000, **line)
    sensor.start()
    # Input 0 against ground, 4.096 V, continuous; 16/s is the slowest that is a quarter faster.
    assert board.written == [(1, b"\x42\x23")]
    assert read_one(sensor) == 1
    assert read_one(sensor, 1_000) is None
    board.registers[0] = b"\x0d\x00"
    assert "broken" in error_of(lambda: read_one(sensor, 125_000)).cause
    # 125 uV a step, 100 mm over 1.92 V: 6.510416667 um.
    assert sensor.channels == (("", "m", -14, 651_041_667),)


def test_temperature_is_configured_and_read_when_fresh() -> None:
    board = RegisterBoard({0x0F: b"\x01\x17", 1: b"\x01\xa4", 0: b"\xff\x80"})
    sensor = driver(board, "tmp117", i2c=0)
    sensor.start()
    assert board.written == [(1, b"\x01\xa4")]  # 500 ms, mean of eight, marked
    assert read_one(sensor) is None
    board.registers[1] = b"\x21\xa4"
    assert read_one(sensor) == -128
    assert sensor.channels == (("", "Cel", -7, 78_125),)


def test_bus_errors_become_a_cause_and_a_remedy() -> None:
    for name, settings in (
        ("nau7802", {"rate_mhz": 40_000}),
        ("ads1115", {"rate_mhz": 8_000, "zero_uv": 0, "full_uv": 1, "full_um": 1}),
        ("tmp117", {}),
    ):
        board = RegisterBoard({})
        sensor = driver(board, name, i2c=0, **settings)
        board.fault = ENODEV
        assert "nothing answers at 0x" in error_of(sensor.start).cause
        board.fault = ETIMEDOUT
        assert "held low" in error_of(sensor.start).cause


def test_acceleration_is_configured_and_drained() -> None:
    board = FifoBoard()
    sensor = driver(board, "adxl355", spi=0, cs=17, sync_pin=20, rate_mhz=100_000)
    sensor.start()
    # 125 Hz filter, interpolated sync, +-2 g, measuring.
    assert board.registers[0x28:0x2F] == b"\x05\x00\x00\x02\x81\x00\x00"
    assert board.waves == [(20, 100_000)]
    out = array("i", [0] * 96)
    assert sensor.read(out, 0) == 0
    board.put(b"\x00\x10\x01\xff\xf0\x00\x3e\x80\x00" * 2)
    assert sensor.read(out, 20_000) == 2
    assert list(out[:6]) == [16, -16, 16_000] * 2
    assert sensor.overflows == 0
    board.put(b"\x00\x10\x00" * 3)
    assert sensor.read(out, 30_000) == 0
    assert sensor.overflows == 1
    assert board.fifo == b""
    sensor.stop()
    assert board.registers[0x2D] == 1
    assert board.waves[-1] == (20, 0)


def test_acceleration_that_falls_silent_is_an_error() -> None:
    board = FifoBoard()
    sensor = driver(board, "adxl355", spi=0, cs=17, sync_pin=20, rate_mhz=100_000)
    sensor.start()
    out = array("i", [0] * 96)
    for poll in range(5):
        assert sensor.read(out, poll * sensor.poll_us) == 0
    assert "no samples" in error_of(lambda: sensor.read(out, 5 * sensor.poll_us)).cause
    board.registers[5] = 0xFF
    assert "stopped answering" in error_of(lambda: sensor.read(out, 0)).cause


def test_another_chip_is_named() -> None:
    board = FifoBoard()
    board.registers[2] = 0xEC
    sensor = driver(board, "adxl355", spi=0, cs=17, rate_mhz=31_250)
    assert "ad1dec" in error_of(sensor.start).cause
