"""sd_notify(3): tells systemd that the agent is ready and that all its tasks beat."""

import os
import socket

READY, ALIVE, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"


class Notifier:
    """The watchdog of a service. address: a path, or @name; "": nobody listens."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def feed(self) -> None:
        """Say that all is well."""
        self.tell(ALIVE)

    def tell(self, state: bytes) -> None:
        """Send one state; who does not take it is no reason to stop."""
        if self._address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
                one.setblocking(False)
                try:
                    one.sendto(state, self._address)
                except OSError:
                    pass


def from_environment() -> Notifier:
    """Return the notifier of this process; a child process shall not have it."""
    return Notifier(os.environ.pop("NOTIFY_SOCKET", ""))
