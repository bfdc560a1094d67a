"""A driver that runs on a real MicroPython interpreter, its chips in this process.

    driver -> agent/hal/on_micropython -> fake_machine -> wire -> SimBoard -> chip model

FarDriver has the face of a driver; what it does happens over there (tests/micropython/board).
"""

import json
import os
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from agent.drivers.errors import SensorError
from simulators.board import PowerLost, SimBoard
from tests.real_parts import REPOSITORY, need

# Any pins will do: the models hang on buses by number.
WIRING = {
    "i2c": {str(bus): {"sda": 30 + 2 * bus, "scl": 31 + 2 * bus} for bus in range(2)},
    "spi": {str(bus): {"sck": 40 + bus, "mosi": 42 + bus, "miso": 44 + bus} for bus in range(2)},
    "uart": {str(number): {"tx": 50 + number, "rx": 52 + number} for number in range(2)},
    "adc": {str(number): {"pin": 26 + number} for number in range(3)},
}
ADC_PIN_FIRST = 26


class Hardware:
    """Answers what the far side's `machine` asks, from one simulated board."""

    def __init__(self, board: SimBoard) -> None:
        self.board = board
        self._ports: dict[int, Any] = {}
        self._received: dict[int, bytearray] = {}
        self._outputs: dict[int, int] = {}
        self._watched: list[int] = []  # for falling edges
        self._levels: dict[int, tuple[str, int]] = {}  # watched for both: pull, last level
        self._edge_us: int | None = None  # while an interrupt is handled

    def answer(self, name: str, *arguments: Any) -> Any:
        """Return the answer; OSError and PowerLost as the board raises them."""
        return getattr(self, f"_{name}")(*arguments)

    def due_edges(self) -> Iterator[int]:
        """Step through the falling edges of all watched pins, each at its own time."""
        for number in self._watched:
            model = self.board.pins.get(number)
            for edge_us in model.edges(self.board.world_clock.now_us()) if model else ():
                self._edge_us = edge_us
                yield number
        self._edge_us = None

    def changed_pins(self) -> Iterator[int]:
        """Step through the pins, watched for both edges, that have changed since the last look."""
        for number, (pull, before) in self._levels.items():
            level = self.board.pin(number, "in", pull).value()
            if level != before:
                self._levels[number] = (pull, level)
                yield number

    def _now_us(self) -> int:
        self.board.clock.now_us()  # raises PowerLost
        if self._edge_us is not None:
            return self._edge_us
        now_us: int = self.board.world_clock.now_us()
        return now_us

    def _sleep_us(self, duration_us: int) -> None:
        self.board.clock.sleep_us(duration_us)

    def _pin(self, number: int, pull: str) -> int:
        return self.board.pin(number, "in", pull).value()

    def _set_pin(self, number: int, level: int) -> None:
        self._outputs[number] = level
        self.board.pin(number, "out").set(level)

    def _watch_pin(self, number: int, pull: str, both: bool) -> None:
        level = self.board.pin(number, "in", pull).value()
        if both:
            self._levels[number] = (pull, level)
        else:
            self._watched.append(number)

    def _onewire_reset(self, number: int) -> bool:
        return self.board.onewire(number).reset()

    def _onewire_write(self, number: int, data: str) -> None:
        self.board.onewire(number).write(bytes.fromhex(data))

    def _onewire_read(self, number: int, size: int) -> str:
        buffer = bytearray(size)
        self.board.onewire(number).read_into(buffer)
        return buffer.hex()

    def _onewire_search(self, number: int) -> list[str]:
        return [address.hex() for address in self.board.onewire(number).search()]

    def _i2c_write(self, bus: int, address: int, data: str) -> None:
        self.board.i2c(bus).writeto(address, bytes.fromhex(data))

    def _i2c_read(self, bus: int, address: int, register: int, size: int) -> str:
        buffer = bytearray(size)
        if register < 0:
            self.board.i2c(bus).readfrom_into(address, buffer)
        else:
            self.board.i2c(bus).readfrom_mem_into(address, register, buffer)
        return buffer.hex()

    def _spi(self, bus: int, mode: int, out: str) -> str:
        selected = [number for number, level in self._outputs.items() if not level]
        assert len(selected) == 1, "one chip select must be low"
        buffer = bytearray.fromhex(out)
        self.board.spi(bus, selected[0], 1_000_000, mode).transfer(buffer, buffer)
        return buffer.hex()

    def _uart_open(self, number: int, baudrate: int) -> None:
        self._ports[number] = self.board.uart(number, baudrate)
        self._received[number] = bytearray()

    def _uart_any(self, number: int) -> int:
        buffer = bytearray(512)
        count = self._ports[number].read_into(buffer)
        self._received[number] += buffer[:count]
        return len(self._received[number])

    def _uart_read(self, number: int, size: int) -> str:
        data = self._received[number][:size]
        del self._received[number][:size]
        return data.hex()

    def _uart_write(self, number: int, data: str) -> None:
        self._ports[number].write(bytes.fromhex(data))

    def _adc(self, pin: int) -> int:
        return self.board.adc(pin - ADC_PIN_FIRST).read_u16()

    def _aes_cbc(self, key: str, iv: str, data: str) -> str:
        secret = Cipher(AES(bytes.fromhex(key)), CBC(bytes.fromhex(iv))).encryptor()
        return secret.update(bytes.fromhex(data)).hex()

    def _pwm(self, number: int, rate_mhz: int) -> None:
        self.board.pwm(number, rate_mhz)


class Interpreter:
    """One MicroPython process; it is kept, for it takes a while to start."""

    def __init__(self, *arguments: str) -> None:
        """arguments: of serve.mjs, after the interpreter."""
        command = [need("node"), "tests/micropython/serve.mjs", need("micropython"), *arguments]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.hardware: Hardware | None = None
        assert self._receive() == {"ready": "micropython"}

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def processor_s(self) -> float:
        """Return the seconds of processor time that the process has had; Linux only."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def command(self, name: str, *arguments: Any) -> dict[str, Any]:
        """Let the far side do something; return its result and the driver's state.

        SensorError, ValueError, KeyError and PowerLost as the driver raises them.
        """
        self._send([name, arguments])
        while "ask" in (message := self._receive()):
            self._send(self._answer(*message["ask"]))
        if "sensor_error" in message:
            raise SensorError(*message["sensor_error"])
        for kind in (ValueError, KeyError):
            if kind.__name__ in message:
                raise kind(message[kind.__name__])
        if "power_lost" in message:
            raise PowerLost
        assert "failed" not in message, message
        return message

    def _answer(self, *question: Any) -> dict[str, Any]:
        assert self.hardware is not None
        try:
            return {"answer": self.hardware.answer(*question)}
        except OSError as error:
            return {"errno": error.args[0]}
        except PowerLost:
            return {"power_lost": True}

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the MicroPython process ended; its traceback is above")
        message: dict[str, Any] = json.loads(line)
        return message


class FarDriver:
    """The face of a driver, which runs on the interpreter against `board`."""

    def __init__(self, interpreter: Interpreter, board: SimBoard, settings: Any) -> None:
        self._interpreter = interpreter
        self._state: dict[str, Any] = {}
        self._hardware = Hardware(board)
        interpreter.hardware = self._hardware
        self._do("boot", WIRING)
        self._do("create", settings["driver"], settings)

    def __getattr__(self, name: str) -> Any:
        if name in self._state:
            return self._state[name]
        raise AttributeError(name)

    def start(self) -> None:
        """Start it."""
        self._do("call", "start")

    def stop(self) -> None:
        """Stop it."""
        self._do("call", "stop")

    def self_test(self) -> bool:
        """Test it."""
        return bool(self._do("call", "self_test"))

    def set_rate(self, rate_mhz: int) -> None:
        """Set its rate."""
        self._do("call", "set_rate", rate_mhz)

    def read(self, out: "array[int]", now_us: int) -> int:
        """Read it, at the far side's own now; interrupts come first."""
        self.interrupts()
        values = self._do("read")
        out[: len(values)] = array("i", values)
        return len(values) // len(self.channels)

    def interrupts(self) -> None:
        """Let the far side see the edges of its pins that have come."""
        for number in self._hardware.due_edges():
            self._do("edge", number)

    def look_at_pins(self) -> None:
        """Interrupt the far side where a watched pin has changed; nothing once it is off."""
        if self._interpreter.hardware is self._hardware and self._hardware.board.is_on:
            for number in self._hardware.changed_pins():
                self._do("edge", number)

    def take_wake(self) -> bool:
        """Return whether the far side's waker was set since the last call."""
        return bool(self._do("take_wake"))

    def _do(self, name: str, *arguments: Any) -> Any:
        if self._interpreter.hardware is not self._hardware:
            raise PowerLost  # another boot has taken the board
        message = self._interpreter.command(name, *arguments)
        self._state = message["state"]
        return message["result"]
