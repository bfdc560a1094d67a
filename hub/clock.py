"""The clocks of the hub's machine, behind a port that a test may stand in for.

No wall clock is trusted or waited for: UTC is only shown and sent along (hub.timekeeping).
"""

import ctypes
import functools
import time
from pathlib import Path
from typing import Protocol

MACHINE_RUN = Path("/proc/sys/kernel/random/boot_id")
# Linux's CLOCK_MONOTONIC stands still while the machine sleeps; the devices' clocks do not.
SINCE_START: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
TIME_ERROR = 5  # adjtimex(2): nobody disciplines the clock
STA_UNSYNC = 0x40


class Clock(Protocol):
    """The hub's two clocks: given to what decides by time. Only HostClock reads the machine's."""

    def now_us(self) -> int:
        """Return the monotonic clock: it never goes back, and no one can set it."""
        ...

    def utc_us(self) -> int:
        """Return UTC as the machine has it, in us since 1970; may jump, may be wrong."""
        ...

    def is_synchronised(self) -> bool:
        """Tell whether a time source keeps UTC right, as far as the machine knows."""
        ...

    def run(self) -> str:
        """Return the name of the monotonic clock's run: another one after the machine started."""
        ...


class HostClock:
    """The clocks of the machine."""

    def now_us(self) -> int:
        """Return the clock since the machine was started."""
        return time.clock_gettime_ns(SINCE_START) // 1000

    def utc_us(self) -> int:
        """Return the wall clock."""
        return time.time_ns() // 1000

    def is_synchronised(self) -> bool:
        """Return what the kernel says (adjtimex); False where it does not say."""
        state = _Timex()
        function = _adjtimex()
        if function is None or function(ctypes.byref(state)) in (-1, TIME_ERROR):
            return False
        return not state.status & STA_UNSYNC

    def run(self) -> str:
        """Return the kernel's name of its run; empty where there is none, as on a Mac."""
        try:
            return MACHINE_RUN.read_text().strip()
        except OSError:
            return ""


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as `status`; modes = 0 asks and sets nothing."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    ]


@functools.cache
def _adjtimex() -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), "adjtimex", None)
