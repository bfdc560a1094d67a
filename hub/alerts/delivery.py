"""Takes what is in the outbox to the channels: each in its own task, in order, until it is taken.

A channel that fails is tried again after RETRY_S_MIN, doubling to RETRY_S_MAX; the others go on.
A message that is refused for its own sake is marked and left, so that it holds up nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from hub.alerts.channel import Channel, SendError
from hub.alerts.message import Message
from hub.alerts.outbox import DONE, REFUSED, WAITING, Outbox

log = logging.getLogger(__name__)

RETRY_S_MIN = 1.0
RETRY_S_MAX = 60.0
SEND_S_MAX = 60.0

Later = Callable[..., Awaitable[Any]]  # runs work on the outbox's thread


class Delivery:
    """One channel's. later(work, *details): runs what touches the outbox. utc_us: UTC of now."""

    def __init__(
        self,
        channel: Channel,
        outbox: Outbox,
        later: Later,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        utc_us: Callable[[], int] = lambda: 0,
    ) -> None:
        self.channel = channel
        self._outbox = outbox
        self._later = later
        self._sleep = sleep
        self._wake = asyncio.Event()
        self._wake.set()
        self.state = "idle"
        self.counts = {"delivered": 0, "refused": 0, "failures": 0}
        self.waiting_count = 0
        self._utc_us = utc_us
        self._oldest_utc_us: int | None = None  # when the oldest that waits was said
        self._delivered_utc_us: int | None = None  # the last, since the start
        self._failing_utc_us: int | None = None  # since when nothing is taken

    def wake(self) -> None:
        """Something new is in the outbox."""
        self._wake.set()

    def statistics(self) -> dict[str, Any]:
        """Return for the page, which everybody reads: why a try failed is in the log alone."""
        oldest, failing, now = self._oldest_utc_us, self._failing_utc_us, self._utc_us()
        return {
            "name": self.channel.name, "state": self.state, **self.counts,
            "waiting": self.waiting_count,
            "oldest_waiting_age_s": 0 if oldest is None else max(0, now - oldest) // 1_000_000,
            "failing_age_s": 0 if failing is None else max(0, now - failing) // 1_000_000,
            "delivered_utc_us": self._delivered_utc_us,
        }  # fmt: skip

    def recount(self, waiting: int) -> None:
        """Take how many messages it must still get."""
        self.waiting_count = waiting

    async def run(self) -> None:
        """Deliver, for as long as it is not cancelled."""
        try:
            await self._run()
        finally:
            await self.channel.close()

    async def _run(self) -> None:
        retry_s = RETRY_S_MIN
        while True:
            self._wake.clear()
            message = await self._later(self._outbox.next, self.channel.name)
            self._oldest_utc_us = None if message is None else message.sent_utc_us
            if message is None:
                self.waiting_count = 0
                self.state = "idle"
                await self._wake.wait()
            elif await self._deliver(message):
                retry_s = RETRY_S_MIN
            else:
                self.state = "down"
                await self._sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_S_MAX)

    async def _deliver(self, message: Message) -> bool:
        """Try once; False where it must be tried again."""
        state, detail = await self._try(message)
        if state == WAITING:
            self.counts["failures"] += 1
            if self._failing_utc_us is None:
                self._failing_utc_us = self._utc_us()
            log.warning("alert %s is not delivered to %s: %s", message.identifier,
                        self.channel.name, detail, extra={"event": "alert-retry"})  # fmt: skip
        elif state == REFUSED:
            self.counts["refused"] += 1
            log.error("%s refuses alert %s: %s", self.channel.name, message.identifier, detail,
                      extra={"event": "alert-refused"})  # fmt: skip
        else:
            self.counts["delivered"] += 1
            self._delivered_utc_us = self._utc_us()
        await self._later(self._outbox.delivered, self.channel.name, message, state, detail)
        if state != WAITING:
            self._failing_utc_us = None
            self.waiting_count = max(0, self.waiting_count - 1)
        return state != WAITING

    async def _try(self, message: Message) -> tuple[str, str]:
        self.state = "sending"
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await self.channel.send(message)
        except SendError as error:
            return (REFUSED if error.is_final else WAITING), str(error)
        except TimeoutError:
            return WAITING, f"no answer within {SEND_S_MAX:.0f} s"
        except OSError as error:
            return WAITING, str(error) or type(error).__name__
        return DONE, ""
