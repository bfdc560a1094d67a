"""1-Wire on Linux: the face of board.onewire over the files of the kernel's w1_therm.

A program has no slots of its own there: the kernel searches the bus and shows each sensor as a
folder (Documentation/w1/slaves/w1_therm.rst and ABI/testing/sysfs-driver-w1_therm, kernel 5.8 or
newer):

    28-0000077b4592/id           its address, 8 bytes
    28-0000077b4592/w1_slave     each reading makes a conversion, then shows the scratchpad's nine
                                 bytes in hexadecimal; empty where nobody answered
    28-0000077b4592/ext_power    "1": it has power of its own
    28-0000077b4592/resolution, alarms           what Write Scratchpad sets

So the commands of a DS18B20's driver are answered from files. The kernel holds whoever reads
w1_slave for the whole conversion: Convert T lets a thread read it, Read Scratchpad gives what that
has brought. Without a conversion before it, Read Scratchpad makes one and waits for it. What
arrives damaged was read five times by the kernel: it stays so until the next conversion.
"""

import errno
import struct
import threading
from pathlib import Path
from typing import Any

from agent.hal.errors import ENODEV

DEVICES = "/sys/bus/w1/devices"
ROM_SIZE = 8
MATCH_ROM = 0x55
CONVERT, WRITE_SCRATCHPAD, READ_SCRATCHPAD, READ_POWER_SUPPLY = 0x44, 0x4E, 0xBE, 0xB4
SCRATCHPAD_SIZE = 9
# 750 ms of a conversion at 12 bits, and the transfers before and after it on a busy machine.
SCRATCHPAD_WAIT_S = 1.2


class Reading:
    """One reading of a file that holds its reader, in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = b""
        self._thread = threading.Thread(target=self._read, name="onewire", daemon=True)
        self._thread.start()

    def is_running(self) -> bool:
        """Return whether the kernel still holds it."""
        return self._thread.is_alive()

    def finish(self, wait_s: float) -> bytes:
        """Return what was read; b"" where nothing was, or where it takes longer than wait_s."""
        self._thread.join(wait_s)
        return b"" if self._thread.is_alive() else self._data

    def _read(self) -> None:
        try:
            self._data = self._path.read_bytes()
        except OSError:  # it has gone, or did not answer
            self._data = b""


class KernelFiles:
    """What the kernel shows of its 1-Wire buses. folder: DEVICES, or a copy of its form."""

    def __init__(self, folder: str = DEVICES) -> None:
        self._folder = Path(folder)
        self._readings: dict[bytes, Reading] = {}

    def has_bus(self) -> bool:
        """Return whether the kernel drives any bus."""
        return any(self._folder.glob("w1_bus_master*"))

    def search(self) -> list[bytes]:
        """Return the addresses of all sensors that the kernel has found."""
        found = []
        for path in sorted(self._folder.glob("[0-9a-f][0-9a-f]-*/id")):
            try:
                found.append(path.read_bytes())
            except OSError:  # unplugged since
                continue
        return [rom for rom in found if len(rom) == ROM_SIZE]

    def read(self, rom: bytes, name: str) -> bytes:
        """Return a file of a sensor; b"" where there is none or it cannot be read."""
        try:
            return (self._of(rom) / name).read_bytes()
        except OSError:
            return b""

    def write(self, rom: bytes, name: str, text: str) -> None:
        """Write a file of a sensor that is there.

        OSError whose words say the remedy: EACCES without the right to, ENODEV on an old kernel.
        """
        folder = self._of(rom)
        if not folder.exists():
            return  # as to a chip that is not there
        try:
            # Not to be created: what is not there, no right to write could bring.
            with (folder / name).open("r+", encoding="ascii") as file:
                file.write(text + "\n")
        except PermissionError as error:
            remedy = f"Let this program write {folder / name}: run it as root or by a udev rule."
            raise OSError(errno.EACCES, remedy) from error
        except FileNotFoundError as error:
            raise OSError(ENODEV, "Update to a Linux kernel of 5.8 or newer.") from error
        except OSError:  # the sensor did not take it: what it says afterwards will show that
            return

    def begin(self, rom: bytes) -> Reading:
        """Let the sensor convert; at most one thread for each is ever held."""
        reading = self._readings.get(rom)
        if reading is None or not reading.is_running():
            reading = self._readings[rom] = Reading(self._of(rom) / "w1_slave")
        return reading

    def _of(self, rom: bytes) -> Path:
        """Return the folder: the family, and the serial number with its highest byte first."""
        return self._folder / f"{rom[0]:02x}-{rom[6:0:-1].hex()}"


class KernelOneWire:
    """All the kernel's 1-Wire buses as one. files: KernelFiles, or a simulated kernel's."""

    def __init__(self, files: Any) -> None:
        self._files = files
        self._readings: dict[bytes, Any] = {}  # made by Convert T, not yet asked for
        self._damaged: dict[bytes, bytes] = {}
        self._rom = b""  # whose registers come next; b"": nobody's
        self._answer = b""

    def reset(self) -> bool:
        """Forget what was asked; return whether the kernel knows of a sensor."""
        self._rom, self._answer = b"", b""
        return bool(self._files.search())

    def search(self) -> list[bytes]:
        """Return the addresses of all sensors."""
        found: list[bytes] = self._files.search()
        return found

    def write(self, buf: bytes) -> None:
        """Take Match ROM, an address and a command at once; then the registers, if it was that."""
        if self._rom:
            self._set_registers(self._rom, bytes(buf))
            self._rom = b""
        elif buf[0] == MATCH_ROM and len(buf) == ROM_SIZE + 2:
            self._obey(bytes(buf[1:-1]), buf[-1])

    def read_into(self, buf: bytearray) -> None:
        """Fill buf with the answer; a wire that nobody pulls low reads ones."""
        buf[:] = (self._answer + b"\xff" * len(buf))[: len(buf)]

    def _obey(self, rom: bytes, command: int) -> None:
        if command == CONVERT:
            self._damaged.pop(rom, None)
            self._readings[rom] = self._files.begin(rom)
        elif command == READ_SCRATCHPAD:
            self._answer = self._damaged.get(rom) or self._scratchpad(rom)
        elif command == READ_POWER_SUPPLY:
            self._answer = b"\xff" if self._files.read(rom, "ext_power").strip() == b"1" else b"\0"
        elif command == WRITE_SCRATCHPAD:
            self._damaged.pop(rom, None)
            self._rom = rom

    def _scratchpad(self, rom: bytes) -> bytes:
        reading = self._readings.pop(rom, None) or self._files.begin(rom)
        scratchpad, is_whole = scratchpad_of(reading.finish(SCRATCHPAD_WAIT_S))
        if not is_whole:
            self._damaged[rom] = scratchpad
        return scratchpad

    def _set_registers(self, rom: bytes, registers: bytes) -> None:
        low, high = sorted(struct.unpack("bb", registers[:2]))
        self._files.write(rom, "alarms", f"{low} {high}")
        self._files.write(rom, "resolution", str((registers[2] >> 5) + 9))


def scratchpad_of(shown: bytes) -> tuple[bytes, bool]:
    """Return the bytes that w1_slave shows, and whether the kernel found their CRC right.

    Nine ones, and False, where it shows none. The lines are

        72 01 4b 46 7f ff 0e 10 57 : crc=57 YES
        72 01 4b 46 7f ff 0e 10 57 t=23125

    of which the second repeats the last right ones, of whatever age.
    """
    first = shown.decode("ascii", "replace").partition("\n")[0]
    digits, _, verdict = first.partition(":")
    try:
        scratchpad = bytes.fromhex(digits)
    except ValueError:
        scratchpad = b""
    if len(scratchpad) != SCRATCHPAD_SIZE:
        return b"\xff" * SCRATCHPAD_SIZE, False
    return scratchpad, verdict.strip().upper().endswith("YES")
