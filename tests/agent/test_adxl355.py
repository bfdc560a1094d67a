"""The accelerometer's way from bytes to integers, and what it makes of its settings."""

from array import array

from agent.drivers.adxl355 import Adxl355, unpack_sets


class SpiBoard:
    """A board whose only part is an SPI device that nobody answers on."""

    def spi(self, bus: int, cs: int, baudrate: int, mode: int) -> "SpiBoard":
        return self

    def transfer(self, out: bytearray, into: bytearray) -> None:
        for index in range(len(into)):
            into[index] = 0xFF


def driver(rate_mhz: int = 100_000, **changes: int) -> Adxl355:
    settings = {"name": "acc", "spi": 0, "cs": 5, "rate_mhz": rate_mhz}
    settings.update(changes)
    return Adxl355(SpiBoard(), settings)


def entry(value: int, marker: int) -> bytes:
    return ((value & 0xFFFFF) << 4 | marker).to_bytes(3, "big")


def buffer_of(*values: int) -> bytearray:
    """Return a FIFO read: a byte of address, then sets of three entries."""
    entries = [entry(value, 1 if index % 3 == 0 else 0) for index, value in enumerate(values)]
    return bytearray(b"\x00" + b"".join(entries))


def test_entries_become_signed_integers_in_order() -> None:
    values = (0, 1, -1, 524287, -524288, 256000)
    out = array("i", [7] * 6)
    assert unpack_sets(buffer_of(*values), out, 2, 4)
    assert tuple(out) == values


def test_shift_is_arithmetic() -> None:
    out = array("i", [0] * 3)
    assert unpack_sets(buffer_of(-1, -17, 31), out, 1, 8)
    assert tuple(out) == (-1, -2, 1)


def test_a_set_without_the_marker_of_x_is_out_of_step() -> None:
    buffer = buffer_of(1, 2, 3, 4, 5, 6)
    buffer[12] &= 0xFE
    assert not unpack_sets(buffer, array("i", [0] * 6), 2, 4)


def test_a_marker_on_another_axis_is_out_of_step() -> None:
    buffer = buffer_of(1, 2, 3)
    buffer[6] |= 1
    assert not unpack_sets(buffer, array("i", [0] * 3), 1, 4)


def test_an_empty_entry_is_out_of_step() -> None:
    for at in (3, 6, 9):
        buffer = buffer_of(1, 2, 3)
        buffer[at] |= 2
        assert not unpack_sets(buffer, array("i", [0] * 3), 1, 4)


def test_scale_is_exact_at_16_bits_of_every_range() -> None:
    # 9.80665 m/s2 / 256000 * 16 = 612915625e-12, and twice that at each further range.
    for range_g, multiplier, exponent in (
        (2, 612_915_625, -12),
        (4, 122_583_125, -11),
        (8, 24_516_625, -10),
    ):
        channels = driver(sync_pin=6, range_g=range_g).channels
        assert channels[0] == ("x", "m/s2", exponent, multiplier)
        assert [channel[0] for channel in channels] == ["x", "y", "z"]


def test_scale_of_all_20_bits_is_right_to_a_thousandth_of_a_step() -> None:
    _, _, exponent, multiplier = driver(sync_pin=6, shift=0).channels[0]
    assert exponent == -13
    # Exactly 383072265.625; full scale is 2^19 steps.
    assert abs(multiplier * 1000 - 383_072_265_625) * (1 << 19) < 383_072_265_625


def test_with_sync_the_board_sets_the_spacing() -> None:
    paced = driver(rate_mhz=100_000, sync_pin=6)
    assert (paced.spacing_us, paced.poll_us, paced.samples_max) == (10_000, 160_000, 32)
    assert paced.spacing_exact
    assert not driver(rate_mhz=31_250).spacing_exact


def test_without_sync_only_the_chips_own_rates_will_do() -> None:
    assert driver(rate_mhz=31_250).spacing_us == 32_000
    assert driver(rate_mhz=3_906).spacing_us == 256_000
    for rate_mhz in (100_000, 0, 8_000_000):
        assert refuses(driver(rate_mhz=31_250), rate_mhz)


def test_with_sync_rates_that_would_alias_or_starve_the_fifo_are_refused() -> None:
    paced = driver(sync_pin=6)
    for rate_mhz in (1_999, 1_000_001):
        assert refuses(paced, rate_mhz)
    paced.set_rate(200_000)
    assert paced.spacing_us == 5_000


def refuses(sensor: Adxl355, rate_mhz: int) -> bool:
    try:
        sensor.set_rate(rate_mhz)
    except ValueError:
        return True
    return False
