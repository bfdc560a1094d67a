"""When will the store be full? Sans-io: numbers and a monotonic time in, hours out.

What fills it is what comes in and is not delivered: inflow minus outflow. The outflow is taken as
it was in the last minutes. The inflow has its hours: a day of it is kept in slots, and what comes
next is taken to be what came a day before. Where the last minutes differ much from those of a day
before (a disaster speeds the boards up), all of it is scaled by that. With less than a day known,
the mean of the last hour goes on.
"""

from bisect import bisect_right
from collections import deque

SAMPLE_US = 10_000_000
RECENT_US = 900_000_000  # boards report every ten minutes at least
SLOT_US = 600_000_000
DAY_SLOTS = 144
HOUR_SLOTS = 6
HOURS_MAX = 8760.0  # a year: beyond it no one plans
# Within this factor the last minutes may differ from the day before by chance.
USUAL = 1.6
POINTS_MAX = 2048


class LaneSizes:
    """Sequence number -> bytes of all frames before it, in one lane; exact at some of them."""

    def __init__(self, first: int, following: int, size: int) -> None:
        """Take a lane that holds first..following in `size` bytes."""
        self._numbers = [first]
        self._totals = [0]
        self._step = 1
        self.add(following, size)
        self._before = self.total

    @property
    def total(self) -> int:
        """Bytes of all frames that were ever added."""
        return self._totals[-1]

    @property
    def taken(self) -> int:
        """Bytes of all frames that were added since it was made."""
        return self.total - self._before

    def add(self, following: int, size: int) -> None:
        """Note that frames up to `following` came, with so many bytes."""
        if following <= self._numbers[-1]:
            return
        total = self.total + size
        # The last point moves until it is a step away from the one before it.
        if len(self._numbers) > 1 and total - self._totals[-2] < self._step:
            self._numbers[-1], self._totals[-1] = following, total
            return
        self._numbers.append(following)
        self._totals.append(total)
        if len(self._numbers) > POINTS_MAX:
            del self._numbers[1:-1:2], self._totals[1:-1:2]
            self._step = 2 * max(1, total // POINTS_MAX)

    def between(self, flat: list[int]) -> int:
        """Return about how many bytes the frames of flat pairs have."""
        return sum(
            self._at(following) - self._at(first)
            for first, following in zip(flat[::2], flat[1::2], strict=True)
        )

    def _at(self, number: int) -> int:
        place = bisect_right(self._numbers, number)
        if place == 0:
            return 0
        if place == len(self._numbers):
            return self.total
        low, high = self._numbers[place - 1], self._numbers[place]
        span = self._totals[place] - self._totals[place - 1]
        return self._totals[place - 1] + span * (number - low) // (high - low)


class Forecast:
    """Fed about once a second; keeps a day of slots and some minutes of samples."""

    def __init__(self) -> None:
        # now_us, bytes that ever came in, bytes that wait for an uplink
        self._recent: deque[tuple[int, int, int]] = deque()
        self._slots: deque[int] = deque(maxlen=DAY_SLOTS)  # inflow
        self._slot: tuple[int, int] | None = None  # begin of this slot, inflow before it

    def feed(self, now_us: int, inflow: int, waiting: int) -> None:
        """Take the bytes that ever came in, and those that wait for an uplink."""
        if self._slot is None:
            self._slot = (now_us, inflow)
        while now_us - self._slot[0] >= SLOT_US:
            begin_us, before = self._slot
            share = (inflow - before) * SLOT_US // (now_us - begin_us)
            self._slots.append(share)
            self._slot = (begin_us + SLOT_US, before + share)
        recent = self._recent
        if recent and now_us - recent[-1][0] < SAMPLE_US:
            return
        recent.append((now_us, inflow, waiting))
        while len(recent) > 2 and now_us - recent[1][0] >= RECENT_US:
            recent.popleft()

    def hours_to_full(self, left: int) -> float | None:
        """Return the hours until `left` more bytes wait; None while their number does not grow."""
        if left <= 0:
            return 0.0
        if len(self._recent) < 2:
            return None
        now_us, inflow, waiting = self._recent[-1]
        # What waits began to grow where it was least, the last time that it was.
        start_us, inflow_before, least = min(self._recent, key=lambda one: (one[2], -one[0]))
        if start_us == now_us or waiting <= least:
            return None
        inflow_per_slot = (inflow - inflow_before) * SLOT_US // (now_us - start_us)
        outflow = inflow_per_slot - (waiting - least) * SLOT_US // (now_us - start_us)
        return _hours(self._coming(inflow_per_slot), max(0, outflow), left)

    def _coming(self, recent: int) -> list[int]:
        """Return the inflow expected in the slots of the next day."""
        slots = list(self._slots)
        if len(slots) < DAY_SLOTS:
            last = slots[-HOUR_SLOTS:]
            usual = sum(last) // len(last) if last else recent
            return [_scaled(usual, recent, usual)] * DAY_SLOTS
        # The oldest slots are a day ago, and so what comes next.
        usual = (slots[0] + slots[1]) // 2
        return [_scaled(one, recent, usual) for one in slots]


def _scaled(value: int, recent: int, usual: int) -> int:
    if usual <= 0:
        return recent
    is_usual = usual < recent * USUAL and recent < usual * USUAL
    return value if is_usual else value * recent // usual


def _hours(coming: list[int], outflow: int, left: int) -> float | None:
    a_day = sum(coming) - outflow * DAY_SLOTS
    # Whole days at once, but for the last ones: within a day it goes up and down.
    days = max(0, left // a_day - 1) if a_day > 0 else 0
    left -= days * a_day
    for number in range(2 * DAY_SLOTS):
        gain = coming[number % DAY_SLOTS] - outflow
        if gain >= left:
            slots = days * DAY_SLOTS + number + left / gain
            return min(HOURS_MAX, round(slots / HOUR_SLOTS, 2))
        left -= gain
    return HOURS_MAX if a_day > 0 else None
