"""What a hub said in a run of the real programs, as the platform has it: for simulators.judge.

Notices and changes of mode are records of the hub, stamped with its monotonic clock, which is the
machine's; `Moments` turns that into seconds of the scenario. A notice without a key is an alarm of
its own.
"""

from bisect import bisect_right
from collections.abc import Iterator

from hub.clock import HostClock
from protocols.vocabulary import KIND_MODE, KIND_NOTICE, MODE_NAMES, NOTICE_OVER
from simulators.archive import Archive
from simulators.judge import MODE, Raised


class Moments:
    """Pairs of the two clocks: the scenario's stands still when the machine does."""

    def __init__(self) -> None:
        self._clock = HostClock()
        self._pairs: list[tuple[int, float]] = []

    def note(self, at_s: float) -> None:
        """Note that it is now at_s in the scenario."""
        self._pairs.append((self._clock.now_us(), at_s))

    def at_s(self, host_us: int) -> float:
        """Return the second of the scenario; 0 before anything was noted."""
        if not self._pairs:
            return 0.0
        at = max(0, bisect_right(self._pairs, (host_us, float("inf"))) - 1)
        before_us, before_s = self._pairs[at]
        return max(0.0, before_s + (host_us - before_us) / 1e6)


def seen(archive: Archive, moments: Moments, devices: list[str]) -> Iterator[Raised]:
    """Yield all that hubs said. devices: names that a text may be about."""
    notices = archive.timed_records(KIND_NOTICE)
    for number, (_, at_us, fields) in enumerate(notices):
        text = f"{fields['text_en']} / {fields['text_ja']}"
        place = next((name for name in devices if name in text), "")
        yield Raised(
            at_s=moments.at_s(at_us),
            kind=fields["kind"],
            rule=fields["kind"],
            place=place,
            level=fields["level"],
            text=text,
            episode=f"{fields['kind']} {fields['key']}" if fields["key"] else str(number),
            is_over=fields["state"] == NOTICE_OVER,
            drill=fields["drill"],
        )
    for _, at_us, fields in archive.timed_records(KIND_MODE):
        word = MODE_NAMES[fields["mode"]]
        yield Raised(
            at_s=moments.at_s(at_us),
            kind=MODE,
            rule=MODE,
            place=word,
            level=0,
            text=f"{word}: {fields['actor']} {fields['reason']}",
            episode=MODE,
            drill=fields["drill"],
        )
