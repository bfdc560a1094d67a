"""From where operators may log in, and whether a form was sent by the page itself. Pure.

A form counts only when the browser names the page's own origin (Origin, RFC 6454), under a name
that is the hub's own; so neither another site nor a name pointed at the hub can send one.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from hub.console.rows import LAN, OFF


def own_names(setting: str) -> frozenset[str]:
    """Return the names that are this hub's: the setting's, and the machine's."""
    machine = socket.gethostname().casefold()
    given = (name.strip().casefold() for name in setting.split(","))
    return frozenset({"localhost", machine, f"{machine}.local", *filter(None, given)})


def is_own_host(host: str, names: frozenset[str]) -> bool:
    """Tell whether a Host header names this hub: by an address, or by a name of its own."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in names or _address(name) is not None


def is_own_origin(origin: str, scheme: str, host: str) -> bool:
    """Tell whether a form comes from a page of this very host."""
    return bool(host) and origin.casefold() == f"{scheme}://{host}".casefold()


def may_log_in(setting: str, scheme: str, client: str) -> bool:
    """Tell whether a password may be typed there. client: address of the screen."""
    if setting == OFF:
        return False
    address = _address(client)
    if scheme == "https" or (address is not None and address.is_loopback):
        return True
    return setting == LAN and address is not None and address.is_private


def _address(text: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address | None":
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
