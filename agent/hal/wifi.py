"""The Wi-Fi of a MicroPython board (module `network`), as the hardware port's network face."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Wifi:
    """A station of one access point. wlan: network.WLAN of the station interface.

    failures_count: how often its chip would not be switched or told to join. That is an error of
    the network's, not of the program's: it measures on, and agent/reach.py has it tried again.
    """

    def __init__(self, wlan: "Any", ssid: str, password: str) -> None:
        self._wlan = wlan
        self._names = (ssid, password)
        self.failures_count = 0
        self._join()

    def is_up(self) -> bool:
        """Tell whether the interface says that it is connected; it may be wrong."""
        return bool(self._wlan.isconnected())

    def reset(self) -> None:
        """Leave, switch the interface off and on, and join again; does not wait for it."""
        try:
            self._wlan.disconnect()
        except OSError:  # it was not connected
            pass
        try:
            self._wlan.active(False)
        except OSError:  # the chip is stuck: switched on again all the same
            pass
        self._join()

    def _join(self) -> None:
        try:
            self._wlan.active(True)
            self._wlan.connect(*self._names)
        except OSError:
            self.failures_count += 1
