"""Readings from before the hub was heard get the right UTC, and say how sure it is."""

from tests.bench.clock import LAN, RADIO, Boot, errors_us

BOOTS = 60


def test_on_a_lan_they_are_right_to_five_milliseconds() -> None:
    assert errors_us(LAN, BOOTS)[-1] <= 5_000


def test_on_a_radio_with_forty_milliseconds_of_jitter_to_fifty() -> None:
    assert errors_us(RADIO, BOOTS)[-1] <= 50_000


def test_the_longer_ago_the_less_sure_and_never_off_by_more_than_said() -> None:
    boot = Boot(3, LAN)
    boot.heard_us = 72 * 3_600_000_000
    boot.play()
    days = [boot.error_us(hour * 3_600_000_000) for hour in (0, 24, 48, 72)]
    assert all(abs(error_us) <= uncertainty_us for error_us, uncertainty_us in days)
    sure = [uncertainty_us for _, uncertainty_us in days]
    assert sure == sorted(sure, reverse=True) and 25_900_000 < sure[0] < 26_000_000
