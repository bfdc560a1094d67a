"""Signs of life of each device, beside its readings: when it was heard, how often it is heard.

Theory. A device is heard when anything of it that is authentic came in: a frame, a time exchange.
How long it is usually quiet is learned, not configured: the gap between two hearings, averaged. A
gap more than twice as long is an outage until another one like it comes: then it is a habit. A
change of mode changes every device's habits: all are forgotten, and until they are known again a
device counts as one that reports every INTERVAL_US. Silent: within two intervals and GRACE_US,
whoever looks every LOOK_US at least has found it. (What is mute is not in such a hurry.)

Frames have a pace of their own. Where it is even (slow values, waveforms), a device that is heard
but brings no frame is mute: its sensors or its sampling hang. Events come when they come.
"""

INTERVAL_US = 600_000_000  # until it is known: the slowest that boards report
GRACE_US = 10_000_000  # for a link to be dialled again, and for somebody to look
LOOK_US = 5_000_000  # the health rule looks at each device at least so often
BURST_US = 1_000_000  # what comes together is one hearing
EVEN_COUNT = 8  # so many gaps in a row within a factor of two: the pace is even


class Pace:
    """When something came last, and how long it usually takes until it comes again."""

    __slots__ = ("even_count", "last_us", "odd_us", "usual_us")

    def __init__(self, now_us: int) -> None:
        self.last_us = now_us
        self.usual_us = 0  # 0: not known
        self.odd_us = 0
        self.even_count = 0

    def beat(self, now_us: int) -> None:
        """Note that it came."""
        gap_us = now_us - self.last_us
        if gap_us < BURST_US:
            return
        self.last_us = now_us
        usual_us = self.usual_us
        if not usual_us:
            self.usual_us = gap_us
        elif gap_us <= 2 * usual_us:
            self.even_count = self.even_count + 1 if 2 * gap_us >= usual_us else 0
            self.usual_us += (gap_us - usual_us) // 8
        elif self.odd_us and self.odd_us <= 2 * gap_us and gap_us <= 2 * self.odd_us:
            self.usual_us, self.odd_us, self.even_count = max(gap_us, self.odd_us), 0, 0
        else:
            self.odd_us, self.even_count = gap_us, 0

    def forget(self) -> None:
        """Learn it anew."""
        self.usual_us = self.odd_us = self.even_count = 0

    def late_after_us(self) -> int:
        """Return after how long without it something is wrong."""
        return 2 * (self.usual_us or INTERVAL_US) + GRACE_US


class Vitals:
    """All devices', and the hub's own. Times: the hub's monotonic clock in us.

    hours_to_full: of the disk; None while it does not fill. store_failure: why nothing can be
    written, else "". is_utc_plausible: whether the hub knows the day.
    """

    def __init__(self) -> None:
        self._heard: dict[str, Pace] = {}
        self._frames: dict[str, Pace] = {}
        self.uncertainty_us: dict[str, int] = {}  # of the device's clock on the hub's
        self.waiting: dict[str, int] = {}  # frames that it still held when it said hello
        self.lost: dict[str, int] = {}  # times that its flash log was full
        self.sensor_faults: dict[str, dict[str, int]] = {}  # device -> channel -> when last
        self.hours_to_full: float | None = None
        self.store_failure = ""
        self.is_utc_plausible = True

    def heard(self, device: str, now_us: int) -> None:
        """Note that something authentic came."""
        pace = self._heard.get(device)
        if pace is None:
            self._heard[device] = Pace(now_us)
        else:
            pace.beat(now_us)

    def framed(self, device: str, now_us: int) -> None:
        """Note that frames came."""
        self.heard(device, now_us)
        pace = self._frames.get(device)
        if pace is None:
            self._frames[device] = Pace(now_us)
        else:
            pace.beat(now_us)

    def forget_paces(self) -> None:
        """Learn all paces anew: the mode has changed, or the policy."""
        for paces in (self._heard, self._frames):
            for pace in paces.values():
                pace.forget()

    def devices(self) -> list[str]:
        """Return those that were ever heard."""
        return list(self._heard)

    def silent_us(self, device: str, now_us: int) -> int | None:
        """Return for how long it has not been heard; None where it never was."""
        pace = self._heard.get(device)
        return None if pace is None else now_us - pace.last_us

    def is_silent(self, device: str, now_us: int) -> bool:
        """Tell whether nothing is heard of it for too long; also of one that never was heard."""
        pace = self._heard.get(device)
        return pace is None or now_us - pace.last_us > pace.late_after_us() - LOOK_US

    def is_mute(self, device: str, now_us: int) -> bool:
        """Tell whether its frames have stopped, which came evenly, while it is still heard."""
        pace = self._frames.get(device)
        if pace is None or pace.even_count < EVEN_COUNT:
            return False
        return now_us - pace.last_us > pace.late_after_us() and not self.is_silent(device, now_us)
