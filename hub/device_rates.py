"""How much faster than the hub's clock each device's runs, from the time exchanges of some days.

Once an hour the narrowest bracket of its second half is compared with the one before: the rate
between both, to within what the brackets leave open; where that is too much, the step grows. What
stands in a clock record is the middle of all rates of the last one to two days that were watched,
warmth and cold of the day with them; and it is a promise (protocols.utc): however long the device
is away, its clock stays within RATE_PPM_MAX of that. So nothing is said before a whole day was
watched, nor of a clock whose rates are further apart than half of the promise (a board that sleeps
on an RC oscillator, or a time server that slews the hub's own clock): the other half is for the
weather of the days to come. Crystals of boards are AT cuts, whose rate follows a flat cubic about
an inflection at 25 to 35 degC: some ppm between a winter's night and a summer's day, where the
crystals themselves differ by tens of ppm.

The rate is the board's, not the boot's: after a restart one hour has to confirm it, for it may be
another board under the same name.
"""

from dataclasses import dataclass, field

from protocols.utc import RATE_PPM_MAX

STEP_US = 3_600_000_000
STEP_US_MAX = 8 * STEP_US  # a mean over more hides how the rate went meanwhile
DAY_US = 24 * STEP_US
ERROR_PPB_MAX = 2000  # of one rate; less sure ones wait for a longer step
SPREAD_PPB_MAX = RATE_PPM_MAX * 1000 // 2  # of all rates about their middle
PPB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Bracket:
    """device_us on a boot's clock was hub_us on the hub's, to within half_us."""

    device_us: int
    hub_us: int
    half_us: int


@dataclass(slots=True)
class _Watched:
    """One device. low, high: of the rates in ppb, with their error; None: none yet."""

    boot: int
    anchor: Bracket | None = None  # where the step begins
    best: Bracket | None = None  # since half of the step was over
    due_us: int = 0
    is_proven: bool = False  # in this boot
    watched_us: int = 0
    today: tuple[int, int] | None = None
    before: tuple[int, int] | None = None

    def span(self) -> tuple[int, int] | None:
        """Return the least and the greatest rate; None before a day was watched."""
        if self.before is None:
            return None
        low, high = self.today or self.before
        return min(low, self.before[0]), max(high, self.before[1])


@dataclass
class Rates:
    """All devices' rates."""

    _devices: dict[str, _Watched] = field(default_factory=dict)

    def keep(self, device: str, boot: int, rate_ppb: int) -> None:
        """Take what was known at the hub's last stop: an hour of this one has to confirm it."""
        one = self._devices.get(device)
        if one is None or one.boot < boot:
            self._devices[device] = _Watched(boot, before=(rate_ppb, rate_ppb))

    def exchange(self, device: str, boot: int, bracket: Bracket) -> None:
        """Take one time exchange of a device's present boot."""
        one = self._devices.get(device)
        if one is None:
            one = self._devices[device] = _Watched(boot)
        if one.boot != boot:
            one.boot, one.anchor, one.best, one.is_proven = boot, None, None, False
        if one.anchor is None:
            _begin(one, bracket)
            return
        if bracket.hub_us >= one.due_us - STEP_US // 2:
            if one.best is None or bracket.half_us <= one.best.half_us:
                one.best = bracket
            if bracket.hub_us >= one.due_us:
                self._step(one, one.anchor, one.best)

    def rate_ppb(self, device: str, boot: int) -> int:
        """Return the rate that a clock record may promise; 0: none, as on the wire."""
        one = self._devices.get(device)
        return _middle(one) if one is not None and one.boot == boot and one.is_proven else 0

    def known_ppb(self, device: str) -> int:
        """Return what to keep() over a stop of the hub, confirmed in this boot or not; 0: none."""
        one = self._devices.get(device)
        return 0 if one is None else _middle(one)

    def _step(self, one: _Watched, anchor: Bracket, best: Bracket) -> None:
        step_us = best.hub_us - anchor.hub_us
        error_ppb = (anchor.half_us + best.half_us) * PPB // step_us + 1
        if step_us > STEP_US_MAX or 2 * best.half_us <= anchor.half_us:  # away, or much better
            _begin(one, best)
        elif error_ppb > ERROR_PPB_MAX:
            one.best, one.due_us = None, one.due_us + STEP_US
        else:
            _begin(one, best)
            rate_ppb = (best.device_us - anchor.device_us - step_us) * PPB // step_us
            self._take(one, (rate_ppb - error_ppb, rate_ppb + error_ppb), step_us)

    def _take(self, one: _Watched, rate: tuple[int, int], step_us: int) -> None:
        low, high = rate
        span = one.span()
        if not one.is_proven and span is not None and not (
            span[0] - SPREAD_PPB_MAX <= low and high <= span[1] + SPREAD_PPB_MAX
        ):  # fmt: skip
            one.today, one.before, one.watched_us = None, None, 0  # another board
        one.is_proven = True
        if one.today is not None:
            low, high = min(low, one.today[0]), max(high, one.today[1])
        one.today = (low, high)
        one.watched_us += step_us
        if one.watched_us >= DAY_US:
            one.before, one.today, one.watched_us = one.today, None, 0


def _middle(one: _Watched) -> int:
    span = one.span()
    if span is None or span[1] - span[0] > 2 * SPREAD_PPB_MAX:
        return 0
    return (span[0] + span[1]) // 2 or 1


def _begin(one: _Watched, anchor: Bracket) -> None:
    one.anchor, one.best, one.due_us = anchor, None, anchor.hub_us + STEP_US
