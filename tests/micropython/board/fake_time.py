"""MicroPython's ticks, by the clock of the world that the chips live in.

They wrap at 30 bits as on the RP2040, and begin just before a wrap.
"""

from tests.micropython.board.far_wire import ask, tape

_PERIOD = 1 << 30
_START = _PERIOD - 1_000_000


def ticks_us() -> int:
    if tape.is_playing:
        return int(tape.next())
    return int(tape.note(int(ask("now_us") + _START) % _PERIOD))


def ticks_ms() -> int:
    if tape.is_playing:
        return int(tape.next())
    return int(tape.note(int(ask("now_us") // 1000 + _START) % _PERIOD))


def ticks_add(ticks: int, delta: int) -> int:
    return (ticks + delta) % _PERIOD


def ticks_diff(end: int, start: int) -> int:
    return (end - start + _PERIOD // 2) % _PERIOD - _PERIOD // 2


def sleep_us(duration_us: int) -> None:
    if not tape.is_playing:
        ask("sleep_us", duration_us)
