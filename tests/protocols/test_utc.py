"""UTC of readings from clock records: right once the hub's UTC is, whatever came before."""

from protocols.utc import DRIFT_PPM_MAX, UtcReader
from protocols.vocabulary import UTC_IMPLAUSIBLE, UTC_SYNCHRONISED, UTC_UNSYNCHRONISED

HUB = "hub-1"
DEVICE = "river-1"
S = 1_000_000
HOUR = 3600 * S
TRUE_US = 1_800_000_000 * S  # UTC when the hub's clock is zero
BOOTED_US = 50 * S  # on the hub's clock, when the device's is zero


class Hub:
    """A hub whose UTC is off by error_us, and the reader of its records."""

    def __init__(self) -> None:
        self.reader = UtcReader()
        self.boot = 1
        self.index = 0
        self.error_us = 0
        self.quality = UTC_UNSYNCHRONISED

    def times(self, device: str, boot: int, device_us: int, hub_us: int) -> None:
        """Say that a boot clock showed device_us at hub_us."""
        fields = {"device": device, "boot": boot, "device_us": device_us, "rate_ppb": 0}
        fields["utc_us"] = max(0, hub_us + TRUE_US + self.error_us)
        fields["uncertainty_us"] = 0 if device == HUB else 300
        fields["quality"] = self.quality
        self.reader.feed(HUB, (self.boot, self.index, 2, hub_us), fields)
        self.index += 1

    def hears(self, hub_us: int, boot: int = 1) -> None:
        """Exchange the time with the device."""
        self.times(DEVICE, boot, hub_us - BOOTED_US, hub_us)

    def says(self, hub_us: int, *boots: int) -> None:
        """Say what its own clock is on UTC, for these boots of it."""
        for boot in boots or (self.boot,):
            self.times(HUB, boot, hub_us, hub_us)

    def error_of(self, device_us: int, boot: int = 1) -> int:
        """Return by how much the reader is off."""
        found = self.reader.utc_us(DEVICE, boot, device_us)
        assert found is not None
        return int(found[0]) - (TRUE_US + BOOTED_US + device_us)


def test_a_boot_that_no_hub_heard_has_no_utc() -> None:
    assert UtcReader().utc_us(DEVICE, 1, 0) is None


def test_the_nearest_record_counts_and_its_age_is_in_the_uncertainty() -> None:
    hub = Hub()
    hub.says(0)
    hub.hears(100 * S)
    hub.times(DEVICE, 1, 1000 * S + 7000, 1000 * S + BOOTED_US)  # the crystal has gained 7 ms
    assert hub.reader.utc_us(DEVICE, 1, 1001 * S) == (
        TRUE_US + BOOTED_US + 1001 * S - 7000,
        300 + (S - 7000) * DRIFT_PPM_MAX // 1_000_000,
        UTC_UNSYNCHRONISED,
    )
    assert hub.error_of(60 * S) == 0


def test_a_record_alone_is_enough() -> None:
    hub = Hub()
    hub.hears(100 * S)
    assert hub.error_of(3 * S) == 0


def test_whatever_the_clock_was_set_to_all_is_right_once_it_is_right_again() -> None:
    for error_us in (HOUR, -HOUR, 24 * 365 * HOUR, -TRUE_US):
        hub = Hub()
        hub.says(0)
        hub.hears(100 * S)
        hub.error_us = error_us
        hub.quality = UTC_IMPLAUSIBLE if error_us == -TRUE_US else UTC_UNSYNCHRONISED
        hub.says(200 * S)
        hub.hears(300 * S)
        hub.hears(310 * S, boot=2)  # its only record says the wrong UTC
        hub.error_us, hub.quality = 0, UTC_UNSYNCHRONISED
        hub.says(400 * S)
        for at_us in (0, 100 * S, 250 * S, 900 * S):
            assert hub.error_of(at_us) == 0 == hub.error_of(at_us, 2)


def test_a_synchronised_word_goes_before_a_newer_one_that_is_not() -> None:
    hub = Hub()
    hub.quality = UTC_SYNCHRONISED
    hub.says(0)
    hub.hears(100 * S)
    hub.error_us, hub.quality = -HOUR, UTC_UNSYNCHRONISED
    hub.says(200 * S)
    hub.hears(300 * S)
    assert hub.error_of(240 * S) == 0
    found = hub.reader.utc_us(DEVICE, 1, 240 * S)
    assert found is not None and found[2] == UTC_SYNCHRONISED


def test_a_boot_of_the_hub_that_ended_is_corrected_by_the_next_one() -> None:
    hub = Hub()
    hub.error_us = HOUR
    hub.says(0)
    hub.hears(100 * S)
    hub.boot, hub.index = 2, 0  # it is started again, the machine's clock runs on
    hub.says(150 * S, 1, 2)
    hub.error_us = 0
    hub.says(200 * S, 1, 2)
    assert hub.error_of(20 * S) == 0


def test_the_order_in_which_records_come_does_not_matter() -> None:
    told: list[tuple[tuple[int, int, int, int], dict[str, object]]] = []

    class Listener(UtcReader):
        def feed(self, hub: str, head: tuple, fields: dict) -> None:  # type: ignore[type-arg]
            told.append((head, fields))

    hub = Hub()
    hub.reader = Listener()
    for error_us in (0, HOUR, -HOUR, 0):
        hub.error_us = error_us
        hub.says(hub.index * 100 * S)
        hub.hears(hub.index * 100 * S)
    hub.reader = UtcReader()
    for head, fields in reversed(told):
        hub.reader.feed(HUB, head, fields)
    assert hub.error_of(20 * S) == 0
