"""What the page shows: newest values stay newest, old ones are never shown as current."""

from hub.clock import HostClock
from hub.config import Device
from hub.device_clocks import Clocks
from hub.device_health import start_of
from hub.live import CURRENT_US_MIN, DECODES_PER_S_MAX, DEVICES_MAX, SILENT_US, Live
from hub.timekeeping import Timekeeper
from tests.hub.batches import S, batch

NAME = "river-1"
OFFSET_US = 1000 * S  # the device's clock is zero when the hub's shows this


def made(personal: bool = False) -> Live:
    """Return the live state of a hub that knows the clock of boot 1."""
    clocks = Clocks()
    clocks.exchange((NAME, 1), 0, OFFSET_US, OFFSET_US)
    return Live(
        {NAME: Device(NAME, bytes(32), "river", personal=personal)},
        clocks,
        Timekeeper(HostClock()),
    )


def reading(live: Live, now_us: int) -> dict[str, object]:
    """Return the only reading of the only device."""
    ((device,), _) = live.devices({NAME}, now_us)
    (one,) = device["readings"]
    assert isinstance(one, dict)
    return one


def test_the_newest_value_is_shown_with_its_age() -> None:
    live = made()
    live.batch(NAME, batch("level", [1.0, 1.5], 10 * S))
    one = reading(live, OFFSET_US + 13 * S)
    assert (one["channel"], one["value"], one["unit"]) == ("level", 1.5, "m")
    assert (one["age_ms"], one["current"]) == (2000, True)


def test_an_old_frame_after_an_outage_never_replaces_a_newer_value() -> None:
    live = made()
    live.batch(NAME, batch("level", [2.0], 100 * S))
    live.batch(NAME, batch("level", [1.0, 1.1, 1.2], 50 * S))
    assert reading(live, OFFSET_US + 101 * S)["value"] == 2.0
    assert len(live.history(NAME, "level", 0)) == 1


def test_a_stale_value_is_not_current() -> None:
    live = made()
    live.batch(NAME, batch("level", [2.0], 100 * S))
    taken_us = OFFSET_US + 100 * S
    assert reading(live, taken_us + CURRENT_US_MIN - 1)["current"] is True
    assert reading(live, taken_us + CURRENT_US_MIN)["current"] is False


def test_of_a_device_of_a_person_nobody_sees_whether_it_has_just_spoken() -> None:
    for personal, word in ((False, "silent"), (True, "online")):
        live = made(personal)
        live.frames(NAME, 1, 0)
        ((device,), counts) = live.devices({NAME}, SILENT_US + 1)
        assert device["state"] == word and counts[word] == 1
        ((device,), _) = live.devices(set(), SILENT_US + 1)
        assert device["state"] == "offline"


def test_a_slow_sensor_is_current_for_three_of_its_intervals() -> None:
    live = made()
    for at in range(3):
        live.batch(NAME, batch("level", [2.0], at * 60 * S))
    taken_us = OFFSET_US + 120 * S
    assert reading(live, taken_us + 179 * S)["current"] is True
    assert reading(live, taken_us + 180 * S)["current"] is False


def test_frames_of_a_boot_whose_clock_nobody_knows_are_not_shown() -> None:
    """A device kept them over its own restart and that of the hub: they may be days old."""
    live = made()
    live.batch(NAME, batch("level", [9.0], 10 * S, boot=7))
    ((device,), _) = live.devices({NAME}, OFFSET_US)
    assert device["readings"] == []


def test_states_of_a_device() -> None:
    live = made()

    def state(online: set[str], now_us: int) -> object:
        return live.devices(online, now_us)[0][0]["state"]

    assert state(set(), 0) == "never"
    live.frames(NAME, 3, 5 * S)
    assert state({NAME}, 6 * S) == "online"
    assert state({NAME}, 5 * S + SILENT_US + 1) == "silent"
    assert state(set(), 6 * S) == "offline"
    assert live.devices(set(), 6 * S)[0][0]["received"] == 3


def test_waves_are_kept_as_their_least_and_greatest_and_do_not_grow() -> None:
    live = made()
    for second in range(300):
        values = [0.0, 1.0, -1.0, 0.5] * 25
        live.batch(NAME, batch("acc.z", values, second * S, unit="m/s2", spacing_us=10_000))
    points = live.history(NAME, "acc.z", 0)
    assert len(points) == 1200
    assert all(low == -1.0 and high == 1.0 for _, low, high in points)
    assert [at for at, _, _ in points] == sorted(at for at, _, _ in points)
    newest = points[-1][0]
    assert live.history(NAME, "acc.z", int(newest) - 1) == [points[-1]]


def test_no_more_is_decoded_for_display_than_the_limit() -> None:
    live = made()
    granted = sum(live.may_decode(10 * S + at * 1000) for at in range(5000))  # 5 s, 1000 a second
    assert granted <= DECODES_PER_S_MAX * 6
    assert live.skipped_count == 5000 - granted


def test_alerts_are_numbered_and_the_oldest_go() -> None:
    live = made()
    for at in range(150):
        live.alert("watch", "river", (f"日{at}", f"en{at}"), False)
    assert [one["id"] for one in live.alerts()] == list(range(51, 151))


def test_of_many_devices_those_that_want_a_look_are_shown() -> None:
    names = [f"d{number}" for number in range(DEVICES_MAX + 20)]
    devices = {name: Device(name, bytes(32), "river") for name in names}
    live = Live(devices, Clocks(), Timekeeper(HostClock()))
    live.first = frozenset([names[-1]])
    for name in names:
        live.frames(name, 1, 0)
    live.states[names[-2]].start = start_of("watchdog; slot 0; safe mode; boot 3: sampler: x")
    rows, counts = live.devices(set(names[:-3]), 0)
    assert [row["device"] for row in rows[:4]] == [*names[-2:], names[-3], names[0]]
    shown = {name: rows[0][name] for name in ("slot", "safe_mode", "reset_cause", "crash")}
    assert shown == {"slot": "A", "safe_mode": True, "reset_cause": "watchdog",
                     "crash": "boot 3: sampler: x"}  # fmt: skip
    assert len(rows) == DEVICES_MAX == counts["shown"]
    assert counts == {"online": len(names) - 3, "offline": 3, "silent": 0, "never": 0,
                      "safe_mode": 1, "shown": DEVICES_MAX}  # fmt: skip


def test_a_crash_that_a_device_tells_once_is_shown_for_its_boot() -> None:
    live = made()
    crash = "watchdog; safe mode; boot 3: sampler: x"
    told = [(4, crash, True), (4, "watchdog; safe mode", False), (5, "software", False)]
    for boot, cause, is_news in told:
        hello = {"boot": boot, "firmware": "f", "reset_cause": cause}
        assert live.greeted(NAME, hello) == is_news
        assert live.states[NAME].start.crash == ("boot 3: sampler: x" if boot == 4 else "")
