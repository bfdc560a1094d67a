"""What models of sensors share that talk by themselves on a serial port."""

from typing import Any

from simulators.chips.chip import Chip

MICROBITS_PER_BYTE = 10_000_000  # start, eight, stop


class Talker(Chip):
    """One sensor that says a message every so often; a subclass knows which.

    fault, besides the chip's: "garbage" (random bytes in place of a message), "wrong_checksum",
    "brown_out" (the supply dips once, in the middle of the next message).
    """

    baudrate = 9600
    boot_us = 0  # from power-up to the first word

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        self._heard: Any = None  # the last measurement, which may get stuck
        self.power_on(clock.now_us())

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to the serial port of the driver's settings."""
        self.baudrate = settings.get("baudrate", self.baudrate)
        board.uarts[settings["uart"]] = self

    def power_on(self, now_us: int) -> None:
        """Begin with what it says after power-up, if anything."""
        self._message = self.greeting()
        self._sent = 0
        self._message_us = self._booted_us = now_us + self.boot_us
        self._is_failing = False

    def feed(self, now_us: int) -> bytes:
        """Return the bytes whose last bit has gone out since the last call."""
        received = bytearray()
        while now_us >= self._message_us:
            due = (now_us - self._message_us) * self.baudrate // MICROBITS_PER_BYTE
            received += self._message[self._sent : due]
            self._sent = min(due, len(self._message))
            if self._sent < len(self._message):
                break
            self._go_on()
        return b"" if self.fault in ("nack", "stuck_bus") else bytes(received)

    def write(self, data: bytes) -> None:
        """Take what is said to it."""

    def greeting(self) -> bytes:
        """Return what it says after power-up."""
        return b""

    def spacing_us(self) -> int:
        """Return the time from the start of one message to that of the next."""
        raise NotImplementedError

    def measure(self, t_us: int) -> Any:
        """Return what it measures at t_us."""
        return self.signal.sample(t_us)

    def message(self, measured: Any, t_us: int) -> bytes:
        """Return how it says at t_us what it measured."""
        raise NotImplementedError

    def spoil(self, message: bytes) -> bytes:
        """Return the message with a wrong checksum, or what else its reader checks."""
        return message

    def _go_on(self) -> None:
        """Make the next message, once the one before is out."""
        if self._is_failing:
            end_us = self._message_us + len(self._message) * MICROBITS_PER_BYTE // self.baudrate
            self.power_on(end_us + 1)
            return
        self._message_us += self.spacing_us()
        self._sent = 0
        if self.fault != "stuck_value" or self._heard is None:
            self._heard = self.measure(self._message_us)
        self._message = self._faulty(self.message(self._heard, self._message_us))

    def _faulty(self, message: bytes) -> bytes:
        if self.fault == "garbage":
            return self.random.randbytes(len(message))
        if self.fault == "wrong_checksum":
            return self.spoil(message)
        if self.fault == "brown_out":
            self.fault = None
            self._is_failing = True
            return message[: len(message) // 2]
        return message
