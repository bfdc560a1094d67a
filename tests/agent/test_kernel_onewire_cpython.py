"""1-Wire by the kernel's files: a tree of real files as sysfs shows it, and the driver on top."""

import os
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.drivers.ds18b20 import Ds18b20, crc8
from agent.drivers.errors import SensorError
from agent.hal import kernel_onewire
from agent.hal.errors import ENODEV
from agent.hal.kernel_onewire import KernelFiles, KernelOneWire, scratchpad_of
from agent.hal.on_blinka import BlinkaBoard

ROM = bytes.fromhex("28ff641e8016042e")
OTHER = b"\x28\x01\x02\x03\x04\x05\x06"
OTHER += bytes((crc8(OTHER),))
SET_UP = b"\x7d\xc9\x7f"  # the registers as the driver wants them
POWER_UP = b"\x4b\x46\x7f"


def text_of(raw: int, registers: bytes = SET_UP, damage: int = 0) -> str:
    """Return what w1_slave shows of a scratchpad."""
    head = raw.to_bytes(2, "little", signed=True) + registers + b"\xff\x0c\x10"
    crc = crc8(head)
    shown = head + bytes((crc ^ damage,))
    verdict = "NO" if damage else "YES"
    digits = shown.hex(" ")
    return f"{digits} : crc={crc:02x} {verdict}\n{digits} t={raw * 1000 // 16}\n"


class Tree:
    """A copy of /sys/bus/w1/devices."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "w1_bus_master1").mkdir()

    def plug(self, rom: bytes, raw: int = 344) -> Path:
        """Add a sensor with power of its own, already set up; return its folder."""
        sensor = self.folder / f"{rom[0]:02x}-{rom[6:0:-1].hex()}"
        sensor.mkdir()
        (sensor / "id").write_bytes(rom)
        for name, text in (
            ("w1_slave", text_of(raw)),
            ("ext_power", "1\n"),
            ("resolution", "12\n"),
            ("alarms", "70 75\n"),
        ):
            (sensor / name).write_text(text, encoding="ascii")
        return sensor

    def driver(self, **settings: int | str) -> Ds18b20:
        """Return a driver on a Pi whose kernel shows this tree."""
        board = BlinkaBoard({"onewire": str(self.folder)})
        return Ds18b20(board, {"name": "air", "pin": 4, "every_ms": 1000, **settings})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A bus without sensors."""
    return Tree(tmp_path)


def error_of(call: Callable[[], object]) -> SensorError:
    with pytest.raises(SensorError) as caught:
        call()
    return caught.value


def converted(driver: Ds18b20) -> int:
    """Return the temperature of a whole turn, in sixteenths."""
    out = array("i", [0])
    assert driver.read(out, 0) == 0
    assert driver.read(out, 750_000) == 1
    return out[0]


@pytest.mark.parametrize("raw", [401, 0, -8, 125 * 16, -55 * 16, 85 * 16])
def test_a_lone_sensor_is_found_set_up_and_read(tree: Tree, raw: int) -> None:
    sensor = tree.plug(ROM, raw)
    driver = tree.driver()
    driver.start()
    assert converted(driver) == raw
    assert (sensor / "resolution").read_text().strip() == "12"
    assert (sensor / "alarms").read_text().strip() == "-55 125"
    assert driver.self_test()


def test_each_bit_width_is_set(tree: Tree) -> None:
    sensor = tree.plug(ROM)
    for bits in (9, 10, 11, 12):
        registers = bytes((0x7D, 0xC9, bits - 9 << 5 | 0x1F))
        (sensor / "w1_slave").write_text(text_of(344, registers))
        tree.driver(bits=bits).start()
        assert (sensor / "resolution").read_text().strip() == str(bits)


def test_the_folder_of_a_sensor_is_named_as_the_kernel_names_it(tree: Tree) -> None:
    # w1_core names a slave by its family and its 48-bit number, which is sent lowest byte first.
    assert tree.plug(ROM).name == "28-0416801e64ff"


def test_several_sensors_are_told_apart(tree: Tree) -> None:
    tree.plug(ROM, 160)
    tree.plug(OTHER, 320)
    error = error_of(tree.driver().start)
    assert ROM.hex() in error.remedy and OTHER.hex() in error.remedy
    for rom, raw in ((ROM, 160), (OTHER, 320)):
        driver = tree.driver(rom=rom.hex())
        driver.start()
        assert converted(driver) == raw


def test_a_machine_without_the_overlay_is_told_how_to_get_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        board = BlinkaBoard({"onewire": str(folder)})
        with pytest.raises(OSError) as caught:
            board.onewire(17)
        assert caught.value.errno == ENODEV
        error = error_of(Ds18b20(board, {"name": "air", "pin": 17}).start)
        assert "no 1-Wire bus" in error.cause
        assert "dtoverlay=w1-gpio,gpiopin=17" in error.remedy


def test_a_missing_sensor_is_told(tree: Tree) -> None:
    assert "no DS18B20 answers" in error_of(tree.driver().start).cause
    sensor = tree.plug(OTHER)
    assert "no DS18B20 " + ROM.hex() in error_of(tree.driver(rom=ROM.hex()).start).cause
    (sensor / "w1_slave").write_text("")  # the kernel still shows it for some minutes
    assert "no DS18B20 " + OTHER.hex() in error_of(tree.driver().start).cause


def test_a_sensor_that_goes_is_told_and_comes_back(tree: Tree) -> None:
    sensor = tree.plug(ROM)
    driver = tree.driver()
    driver.start()
    away = sensor.rename(tree.folder / "away")
    out = array("i", [0])
    assert "no DS18B20" in error_of(lambda: driver.read(out, 0)).cause
    away.rename(sensor)
    driver.start()
    assert converted(driver) == 344


def test_damaged_scratchpad_is_an_error_and_is_not_waited_for_again(tree: Tree) -> None:
    sensor = tree.plug(ROM)
    driver = tree.driver()
    driver.start()
    (sensor / "w1_slave").write_text(text_of(344, damage=0x10))
    error = error_of(lambda: converted(driver))
    assert "damaged" in error.cause and "pull-up" in error.remedy
    assert driver.checksum_errors == 3
    (sensor / "w1_slave").write_text(text_of(345))
    driver.start()
    assert converted(driver) == 345


def test_power_failure_is_no_85_degrees(tree: Tree) -> None:
    sensor = tree.plug(ROM)
    driver = tree.driver()
    driver.start()
    (sensor / "w1_slave").write_text(text_of(85 * 16, POWER_UP))
    assert "lost its settings" in error_of(lambda: converted(driver)).cause
    assert not driver.self_test()


@pytest.mark.parametrize("answer", ["0\n", "-19\n", ""])
def test_parasite_power_is_refused(tree: Tree, answer: str) -> None:
    (tree.plug(ROM) / "ext_power").write_text(answer)
    assert "VDD" in error_of(tree.driver().start).remedy


def test_an_old_kernel_is_named(tree: Tree) -> None:
    (tree.plug(ROM) / "resolution").unlink()
    error = error_of(tree.driver().start)
    assert "cannot be set up" in error.cause and "5.8" in error.remedy


class LockedFiles(KernelFiles):
    """Files that belong to somebody else; root's own tests cannot make such."""

    def write(self, rom: bytes, name: str, text: str) -> None:
        """Refuse."""
        raise OSError(13, "Let this program write it.")


def test_missing_rights_are_told(tree: Tree) -> None:
    tree.plug(ROM)

    class Board:
        def onewire(self, number: int) -> KernelOneWire:
            return KernelOneWire(LockedFiles(str(tree.folder)))

    error = error_of(Ds18b20(Board(), {"name": "air", "pin": 4}).start)
    assert error.remedy == "Let this program write it."


def test_the_kernels_long_reading_holds_nobody(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pipe holds its reader as w1_slave does, here for as long as the test wants.
    sensor = tree.plug(ROM)
    (sensor / "w1_slave").unlink()
    os.mkfifo(sensor / "w1_slave")
    bus = KernelOneWire(KernelFiles(str(tree.folder)))
    before = threading.active_count()
    for _ in range(3):  # one thread, however often it is asked
        assert bus.reset()
        bus.write(b"\x55" + ROM + b"\x44")
    assert threading.active_count() == before + 1
    monkeypatch.setattr(kernel_onewire, "SCRATCHPAD_WAIT_S", 0.01)
    answer = bytearray(9)
    bus.reset()
    bus.write(b"\x55" + ROM + b"\xbe")
    bus.read_into(answer)
    assert answer == b"\xff" * 9  # nothing within the time that a conversion may take
    with (sensor / "w1_slave").open("w") as pipe:
        pipe.write(text_of(321))
    deadline_s = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline_s:
        time.sleep(0.001)
    assert threading.active_count() == before


def test_what_w1_slave_shows_is_read_or_refused() -> None:
    whole = bytes.fromhex("72014b467fff0e1057")
    shown = b"72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
    assert scratchpad_of(shown) == (whole, True)
    assert scratchpad_of(shown.replace(b"YES", b"Yes")) == (whole, True)
    assert scratchpad_of(shown.replace(b"YES", b"NO")) == (whole, False)
    for broken in (b"", b"\xff\xfe", b"72 01", b"zz" * 9, b"t=23125\n", shown[:20]):
        assert scratchpad_of(broken) == (b"\xff" * 9, False)


def test_commands_of_nobody_and_half_commands_change_nothing(tree: Tree) -> None:
    sensor = tree.plug(ROM)
    bus = KernelOneWire(KernelFiles(str(tree.folder)))
    for said in (b"\xcc\x44", b"\x55" + ROM, b"\x55" + OTHER + b"\x4e"):
        assert bus.reset()
        bus.write(said)
    bus.write(SET_UP)
    assert (sensor / "alarms").read_text() == "70 75\n"
    answer = bytearray(9)
    bus.read_into(answer)
    assert answer == b"\xff" * 9
