"""What a device remembers of its bad ends: the last crash, and starts in a row that went wrong.

Theory of operation. A start is *bad* unless the boot before it ended in good order, lost its power
or had worked for GOOD_US: then it crashed, or hung until the watchdog bit. After BAD_STARTS_MAX of
them in a row the next boot is in *safe mode*: no sensor is touched and no setting of one is read,
so that what the agent died of cannot happen again, but the hub is answered, and can have it
identified, updated and restarted. Safe mode ends when somebody takes the power away, by the
hub's command, or by itself after SAFE_US: then the sensors get another chance.

The supported ports show a brown-out as any other loss of power. So boots that are cut short by the
supply are counted too; they are no reason to stop measuring, but to be told.

All of it is in the flash log's kept values, for RAM does not outlive a hang. Where the flash does
not take it, that is counted, and this boot goes on: what only tells of faults must not be one.
"""

import io
import struct
import sys

from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.flashlog import FlashLog

KEY_STARTS = const(10)  # of the flash log's kept values: bad starts, short boots; a byte each
KEY_CRASH = const(11)  # boot of 4 bytes, text
BAD_STARTS_MAX = const(5)
SHORT_BOOTS_MAX = const(4)  # so many, though none was bad: the supply dips
GOOD_US = const(600_000_000)
SAFE_US = const(3_600_000_000)
CRASH_SIZE_MAX = const(200)
_LINES = const(3)  # of a traceback: where, what it was about, the error
# A task that dies once a second must not wear the flash.
_CRASHES_KEPT_MAX = const(8)


class Survival:
    """flashlog: mounted. reset_cause: why this boot began. ended_well: the boot before it did."""

    def __init__(self, flashlog: "FlashLog", reset_cause: str, ended_well: bool) -> None:
        self._flashlog = flashlog
        self._ended_well = ended_well
        self.failed_count = 0
        kept = flashlog.kept(KEY_STARTS) or b""
        bad, short = (kept[0], kept[1]) if len(kept) == 2 else (0, 0)
        if ended_well or reset_cause == "power_on":
            bad = 0
        if ended_well:
            short = 0
        self.bad_starts = bad
        self.short_boots = short
        self.is_safe = bad >= BAD_STARTS_MAX
        self._is_proven = False
        self._crashes_count = 0
        self._crash = self._kept_crash()
        # This boot counts as bad from now on, until it is proven.
        self._keep(KEY_STARTS, bytes((min(bad + 1, 255), min(short + 1, 255))))

    def crash(self) -> str:
        """Return what the last crash said, as "boot 7: ..", until told(); or ""."""
        return self._crash

    def greeting(self, reset_cause: str, slot: str = "") -> str:
        """Return how this boot began, in the words of the hello. slot: it was started from.

        The RP2 restarts by its watchdog when told to (ports/rp2/modmachine.c), and names it: that
        the boot before ended in good order tells the two apart.
        """
        cause = "software" if self._ended_well and reset_cause == "watchdog" else reset_cause
        parts = [cause, slot] if slot else [cause]
        if self.is_safe:
            parts.append("safe mode")
        elif self.short_boots >= SHORT_BOOTS_MAX:
            parts.append("%d short boots in a row, look at the supply" % self.short_boots)
        if self._crash:
            parts.append(self._crash)
        return "; ".join(parts)

    def told(self) -> None:
        """The hub has heard of it."""
        if self._crash:
            self._crash = ""
            self._keep(KEY_CRASH, b"")

    def note_crash(self, boot: int, text: str) -> None:
        """Keep what something died of; on flash too, unless this boot has kept too many there."""
        self._crashes_count += 1
        crash = "boot %d: %s" % (boot, text)
        if crash != self._crash and self._crashes_count <= _CRASHES_KEPT_MAX:
            self._keep(KEY_CRASH, struct.pack("<I", boot) + _cut(text.encode()))
        self._crash = crash

    def live_on(self, now_us: int) -> bool:
        """To be called now and then; return True where safe mode is over and wants a restart."""
        if self.is_safe:
            if now_us < SAFE_US:
                return False
            self.forget()
            return True
        if not self._is_proven and now_us >= GOOD_US:
            self._is_proven = True
            self.forget()
        return False

    def forget(self) -> None:
        """Let the next start be the first of its kind."""
        self._keep(KEY_STARTS, b"\x00\x00")

    def _keep(self, key: int, value: bytes) -> None:
        try:
            self._flashlog.keep(key, value)
        except OSError:
            self.failed_count += 1

    def _kept_crash(self) -> str:
        kept = self._flashlog.kept(KEY_CRASH) or b""
        if len(kept) < 4:
            return ""
        return "boot %d: %s" % (struct.unpack("<I", kept[:4])[0], kept[4:].decode())


def _cut(data: bytes) -> bytes:
    """Return at most CRASH_SIZE_MAX bytes; a letter that is cut goes as a whole."""
    end = min(len(data), CRASH_SIZE_MAX)
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end]


def last_lines(error: BaseException) -> str:
    """Return the last lines of its traceback in one, at most CRASH_SIZE_MAX characters."""
    out = io.StringIO()
    if hasattr(sys, "print_exception"):  # MicroPython
        sys.print_exception(error, out)
    else:
        __import__("traceback").print_exception(error, file=out)
    lines = [line.strip() for line in out.getvalue().split("\n")]
    lines = [line for line in lines if line.strip("^~")]
    text = " | ".join(lines[-_LINES:])
    return text[-CRASH_SIZE_MAX:]
