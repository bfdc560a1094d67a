"""sd_notify(3): tells systemd that the hub is ready, alive, or stopping.

One datagram each to the socket that NOTIFY_SOCKET names; nothing where there is none. The watchdog
is fed by who made progress, never by a timer of its own.
"""

import logging
import os
import socket

log = logging.getLogger(__name__)

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class Notifier:
    """address: a path, or @name of the abstract namespace; empty where nobody listens."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, state: str) -> None:
        """Send one state; who does not take it is no reason to stop."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
            try:
                one.setblocking(False)
                one.sendto(state.encode(), self._address)
            except OSError as error:
                log.warning("systemd does not hear: %s", error)


def from_environment() -> Notifier:
    """Return the notifier of this process, and keep its socket from child processes."""
    return Notifier(os.environ.pop("NOTIFY_SOCKET", ""))
