"""How much of a line an uplink may take now. Integer time, no I/O, no clock of its own.

A line that is slow keeps what it is given in buffers that nobody can take it out of again: the
kernel's, a router's, the broker's. Whatever is urgent then waits behind them. So no more is handed
to the line than it carries in about a second; the rest waits here, where urgent data overtakes.

Two means. A `Bucket` keeps to a rate that somebody has set. A `Window` bounds what was sent and
not acknowledged, and finds out by itself what the line can carry: an acknowledgement that comes
later than the line's own delay by QUEUE_US_MAX says that data has piled up on the way, and the
window is halved; one that comes soon while the window was in use lets it grow by twice what was
acknowledged, so that it doubles in one round trip of a backlog, which may take half of it. What is
sent at once is a small part of the window, for a window holds PUBLISHES_MAX bundles. So a window
is in use already by one whole bundle: a platform that answers before the next one is read from the
disk never has more under way. But the less of it is in use, the sooner the answer must come.
"""

PUBLISHES_MAX = 8  # unacknowledged at a time, of one window
BUNDLE_BYTES_MAX = 192 * 1024
BUNDLE_BYTES_MIN = 2048  # topic and heads are 4 % of it
WINDOW_BYTES_MAX = PUBLISHES_MAX * BUNDLE_BYTES_MAX
WINDOW_BYTES_MIN = 4096
WINDOW_BYTES_START = 2 * PUBLISHES_MAX * BUNDLE_BYTES_MIN  # its half: two seconds of 64 kbit/s
WINDOW_MS = 1500  # of a line whose rate is set: its own delay and what it carries meanwhile
BURST_MS = 250  # what a bucket may let pass at once after a pause
# An acknowledgement that comes less after the line's own delay is soon, with a quarter in use.
SOON_US = 300_000
QUEUE_US_MAX = 1_000_000
DELAY_US_MAX = 1_000_000  # a longer delay is taken for a queue
PASSES_TO_RECOVER = 256  # bundles acknowledged until a larger one is tried again
KBIT = 125  # bytes


def bytes_on_the_line(size: int) -> int:
    """Return what a message of this size costs a line: topic, heads of MQTT, TCP and IP."""
    return size + size // 28 + 90


class Bucket:
    """A rate that must not be passed. rate_bytes_s: 0 for none.

    What was sent is spread over the time that it takes at the rate; the next may go once less than
    BURST_MS of it lie ahead.
    """

    def __init__(self, rate_bytes_s: int) -> None:
        self.rate_bytes_s = rate_bytes_s
        self._busy_until_us = 0

    def take(self, size: int, now_us: int) -> None:
        """Note that so many bytes go now, whether they may or not."""
        if self.rate_bytes_s:
            start_us = max(self._busy_until_us, now_us)
            self._busy_until_us = start_us + size * 1_000_000 // self.rate_bytes_s

    def wait_us(self, now_us: int) -> int:
        """Return in how many microseconds the next may go; 0: now."""
        return max(0, self._busy_until_us - BURST_MS * 1000 - now_us)


class Window:
    """Bytes that may be unacknowledged. rate_bytes_s: of the line, where it is known, else 0."""

    def __init__(self, rate_bytes_s: int = 0) -> None:
        limit = rate_bytes_s * WINDOW_MS // 1000 or WINDOW_BYTES_MAX
        self.limit = min(WINDOW_BYTES_MAX, max(WINDOW_BYTES_MIN, limit))
        self.in_flight = 0
        self._bundle_max = BUNDLE_BYTES_MAX
        self._passes = 0
        self._delay_us = DELAY_US_MAX
        self._halved_us = 0
        self.size = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew: another connection, perhaps another line."""
        self.size = min(self.limit, WINDOW_BYTES_START)
        self.in_flight = 0
        self._delay_us = DELAY_US_MAX

    def bundle_size_max(self) -> int:
        """Return how large a bundle may be now."""
        return max(BUNDLE_BYTES_MIN, min(self._bundle_max, self.size // PUBLISHES_MAX))

    def has_room(self) -> bool:
        """Tell whether a bundle may go."""
        return self.in_flight < self.size

    def sent(self, size: int) -> None:
        """Note that so many bytes went out."""
        self.in_flight += size

    def acknowledged(self, size: int, sent_us: int, now_us: int) -> None:
        """Note that what was sent then is acknowledged now."""
        # Half a bundle: a frame may be so long that no second one goes with it.
        was_used = 2 * PUBLISHES_MAX * self.in_flight >= self.size
        soon_us = SOON_US * min(4 * self.in_flight, self.size) // self.size
        self.in_flight -= size
        took_us = now_us - sent_us
        self._delay_us = min(self._delay_us, took_us)
        late_us = took_us - self._delay_us
        if late_us > QUEUE_US_MAX:
            if sent_us >= self._halved_us:  # once for what was under way together
                self.size = max(WINDOW_BYTES_MIN, self.size // 2)
                self._halved_us = now_us
        elif late_us < soon_us and was_used:
            self.size = min(self.limit, self.size + 2 * size)
        self._recover()

    def refused(self, size: int) -> None:
        """Note that bytes which went out were not taken."""
        self.in_flight -= size

    def too_large(self, size: int) -> None:
        """Note that a bundle of this size ended the connection: smaller ones from now on."""
        self._bundle_max = max(BUNDLE_BYTES_MIN, min(self._bundle_max, size) // 2)
        self._passes = 0

    def _recover(self) -> None:
        self._passes += 1
        if self._passes >= PASSES_TO_RECOVER:
            self._passes = 0
            self._bundle_max = min(BUNDLE_BYTES_MAX, 2 * self._bundle_max)
