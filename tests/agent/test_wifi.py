"""Wi-Fi of a board: joined at the start, switched off and on when it is started anew."""

from agent.hal.wifi import Wifi


class Wlan:
    """What network.WLAN is asked, in order."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.is_joined = False

    def active(self, is_on: bool) -> None:
        self.calls.append(is_on)

    def connect(self, ssid: str, password: str) -> None:
        self.calls.append((ssid, password))
        self.is_joined = True

    def disconnect(self) -> None:
        if not self.is_joined:
            raise OSError(5)
        self.calls.append("leave")
        self.is_joined = False

    def isconnected(self) -> bool:
        return self.is_joined


def test_it_joins_at_once() -> None:
    wlan = Wlan()
    wifi = Wifi(wlan, "town", "secret")
    assert wlan.calls == [True, ("town", "secret")] and wifi.is_up()


def test_starting_anew_switches_it_off_and_on_whether_it_was_joined_or_not() -> None:
    for is_joined in (True, False):
        wlan = Wlan()
        wifi = Wifi(wlan, "town", "secret")
        wlan.is_joined = is_joined
        wlan.calls = []
        wifi.reset()
        assert wlan.calls == ["leave"] * is_joined + [False, True, ("town", "secret")]
        assert wifi.is_up()


def test_a_chip_that_fails_is_tried_again_and_stops_nobody_from_measuring() -> None:
    class Failing(Wlan):
        is_dead = True

        def active(self, is_on: bool) -> None:
            Wlan.active(self, is_on)
            if self.is_dead:
                raise OSError("Wifi Internal State Error")

    wlan = Failing()
    wifi = Wifi(wlan, "town", "secret")
    wifi.reset()
    assert not wifi.is_up() and wifi.failures_count == 2
    wlan.is_dead = False
    wifi.reset()
    assert wifi.is_up() and wifi.failures_count == 2
