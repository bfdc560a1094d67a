"""Bad starts in a row, safe mode and the way out of it; the last crash, through loss of power."""

from agent.reach import NETWORK, NETWORK_US, NETWORK_US_MAX, NOTHING, RESTART, RESTART_US, Reach
from agent.survival import (
    BAD_STARTS_MAX,
    CRASH_SIZE_MAX,
    GOOD_US,
    SAFE_US,
    SHORT_BOOTS_MAX,
    Survival,
    last_lines,
)
from simulators.storage import PowerCut, SimFlash
from tests.agent.flash_bench import mounted


def start(flash: SimFlash, cause: str = "watchdog", ended_well: bool = False) -> Survival:
    return Survival(mounted(flash), cause, ended_well)


def test_the_first_boot_is_no_bad_one() -> None:
    survival = start(SimFlash(), "power_on")
    assert (survival.bad_starts, survival.is_safe) == (0, False)
    assert survival.greeting("power_on") == "power_on"


def test_bad_starts_in_a_row_lead_into_safe_mode() -> None:
    flash = SimFlash()
    start(flash, "power_on")
    for bad in range(1, BAD_STARTS_MAX + 3):
        survival = start(flash)
        assert (survival.bad_starts, survival.is_safe) == (bad, bad >= BAD_STARTS_MAX)
    assert survival.greeting("watchdog") == "watchdog; safe mode"


def test_a_restart_that_was_wanted_is_no_watchdogs_where_the_chip_knows_no_other() -> None:
    survival = start(SimFlash(), "watchdog", ended_well=True)
    assert survival.greeting("watchdog", "slot 1") == "software; slot 1"
    assert start(SimFlash(), "power_on", ended_well=True).greeting("power_on") == "power_on"


def test_a_boot_that_has_worked_for_a_while_ends_the_row() -> None:
    flash = SimFlash()
    for _ in range(BAD_STARTS_MAX):
        survival = start(flash)
    assert not survival.live_on(GOOD_US - 1)
    assert not survival.live_on(GOOD_US)
    assert start(flash).bad_starts == 0


def test_a_good_end_and_somebody_at_the_switch_end_the_row() -> None:
    for cause, ended_well in (("software", True), ("power_on", False)):
        flash = SimFlash()
        for _ in range(BAD_STARTS_MAX + 1):
            start(flash)
        assert not start(flash, cause, ended_well).is_safe


def test_safe_mode_ends_after_a_good_while_or_by_command() -> None:
    for is_command in (False, True):
        flash = SimFlash()
        for _ in range(BAD_STARTS_MAX + 1):
            survival = start(flash)
        assert survival.is_safe and not survival.live_on(GOOD_US)
        assert not survival.live_on(SAFE_US - 1)
        if is_command:
            survival.forget()
        else:
            assert survival.live_on(SAFE_US)
        assert not start(flash).is_safe


def test_boots_that_the_supply_cuts_short_are_told_and_no_reason_not_to_measure() -> None:
    flash = SimFlash()
    for _ in range(SHORT_BOOTS_MAX + 1):
        survival = start(flash, "power_on")
    assert not survival.is_safe
    assert survival.greeting("power_on") == "power_on; 4 short boots in a row, look at the supply"


def test_a_crash_is_told_until_the_hub_has_heard_it() -> None:
    flash = SimFlash()
    start(flash).note_crash(7, "sampler: boom")
    for _ in range(2):
        survival = start(flash)
        assert survival.greeting("watchdog") == "watchdog; boot 7: sampler: boom"
    survival.told()
    assert survival.crash() == "" and start(flash).crash() == ""


def test_a_crash_that_comes_again_and_again_does_not_wear_the_flash() -> None:
    flash = SimFlash()
    survival = start(flash)
    before = flash.program_count
    for number in range(1000):
        survival.note_crash(1, f"no. {number}")
    assert flash.program_count - before < 20
    assert survival.crash() == "boot 1: no. 999"
    before = flash.program_count
    survival.note_crash(1, "no. 999")
    assert flash.program_count == before


def test_a_long_crash_is_cut_between_letters() -> None:
    flash = SimFlash()
    start(flash).note_crash(1, "a" + "火" * CRASH_SIZE_MAX)
    assert start(flash).crash() == "boot 1: a" + "火" * ((CRASH_SIZE_MAX - 1) // 3)


def test_the_counts_survive_a_cut_at_every_byte() -> None:
    flash = SimFlash(512, 8)
    for _ in range(2):
        start(flash)
    for cut in range(60):
        twin = SimFlash(512, 8, seed=cut + 1)
        twin.data[:] = flash.data
        twin.cut_after(cut)
        try:
            survival = start(twin)
            survival.note_crash(3, "x")
        except PowerCut:
            pass
        twin.power_on()
        again = start(twin)
        assert again.bad_starts in (2, 3)
        assert again.crash() in ("", "boot 3: x")


def test_last_lines_say_where_and_what() -> None:
    try:
        start(SimFlash()).note_crash("no number", "")  # type: ignore[arg-type]
    except TypeError as error:
        text = last_lines(error)
    assert "TypeError" in text and "survival.py" in text and "note_crash" in text
    assert "\n" not in text and len(text) <= CRASH_SIZE_MAX


def test_a_silent_network_is_started_anew_ever_more_rarely_and_then_the_board() -> None:
    reach = Reach(0)
    times = [second * 1_000_000 for second in range(RESTART_US // 1_000_000 + 1)]
    actions = [(now, reach.failed(now)) for now in times]
    anew = [now for now, action in actions if action == NETWORK]
    assert anew[:3] == [NETWORK_US, 3 * NETWORK_US, 7 * NETWORK_US]
    assert anew[-1] - anew[-2] == NETWORK_US_MAX
    assert [now for now, action in actions if action == RESTART] == [RESTART_US]
    assert reach.network_resets_count == len(anew)


def test_an_answer_proves_that_the_way_is_open() -> None:
    reach = Reach(0)
    assert reach.failed(NETWORK_US) == NETWORK
    reach.heard(NETWORK_US)
    assert reach.failed(2 * NETWORK_US - 1) == NOTHING
    assert reach.failed(2 * NETWORK_US) == NETWORK
