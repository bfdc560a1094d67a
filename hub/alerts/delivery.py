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
    """One channel's. later(work, *details): runs what touches the outbox."""

    def __init__(
        self,
        channel: Channel,
        outbox: Outbox,
        later: Later,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.channel = channel
        self._outbox = outbox
        self._later = later
        self._sleep = sleep
        self._wake = asyncio.Event()
        self._wake.set()
        self.state = "idle"
        self.counts = {"delivered": 0, "refused": 0, "failures": 0}

    def wake(self) -> None:
        """Something new is in the outbox."""
        self._wake.set()

    def statistics(self) -> dict[str, Any]:
        """Return for the page, which everybody reads: why a try failed is in the log alone."""
        return {"name": self.channel.name, "state": self.state, **self.counts}

    async def run(self) -> None:
        """Deliver, for as long as it is not cancelled."""
        retry_s = RETRY_S_MIN
        while True:
            self._wake.clear()
            message = await self._later(self._outbox.next, self.channel.name)
            if message is None:
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
            log.warning("alert %s is not delivered to %s: %s", message.identifier,
                        self.channel.name, detail, extra={"event": "alert-retry"})  # fmt: skip
        elif state == REFUSED:
            self.counts["refused"] += 1
            log.error("%s refuses alert %s: %s", self.channel.name, message.identifier, detail,
                      extra={"event": "alert-refused"})  # fmt: skip
        else:
            self.counts["delivered"] += 1
        await self._later(self._outbox.delivered, self.channel.name, message, state, detail)
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
