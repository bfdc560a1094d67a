"""The agent's own notes: to the serial console, and the newest few kept for whoever asks.

info: a state changed. warning: a counted loss. error: a person must act.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Log:
    """Keeps the newest `size` lines of at most 120 characters.

    clock: the board's clock. echo: print them as well.
    """

    def __init__(self, clock: "Any", size: int = 32, echo: bool = True) -> None:
        self._clock = clock
        self._lines: list[str] = [""] * size
        self._count = 0
        self._echo = echo

    def info(self, text: str) -> None:
        """Note a change of state."""
        self._note("info", text)

    def warning(self, text: str) -> None:
        """Note a loss that is counted."""
        self._note("warning", text)

    def error(self, text: str) -> None:
        """Note what a person must put right."""
        self._note("error", text)

    def lines(self) -> "list[str]":
        """Return the kept lines, oldest first."""
        size = len(self._lines)
        if self._count <= size:
            return self._lines[: self._count]
        at = self._count % size
        return self._lines[at:] + self._lines[:at]

    def _note(self, level: str, text: str) -> None:
        line = ("%d ms %s %s" % (self._clock.now_us() // 1000, level, text))[:120]
        self._lines[self._count % len(self._lines)] = line
        self._count += 1
        if self._echo:
            print(line)
