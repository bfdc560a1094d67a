"""Free ports of loopback for the processes of tests."""

import itertools
import os
import socket

# Below the ports that Linux gives to connections (net.ipv4.ip_local_port_range): one of those may
# be taken by any connection between the question and the program's own listen().
_FIRST, _COUNT = 20_000, 12_000
_STEP = 61  # test processes that run side by side begin far apart
_numbers = itertools.count(os.getpid() * _STEP)


def free_port() -> int:
    """Return a port that was free a moment ago and that this process has not named yet."""
    for number in itertools.islice(_numbers, _COUNT):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", _FIRST + number % _COUNT))
            except OSError:
                continue
            return int(one.getsockname()[1])
    raise OSError(f"no port of {_FIRST}..{_FIRST + _COUNT - 1} is free")
