"""A whole virtual device that hangs, dies at each start, or loses its network, in virtual time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

import agent.main
import agent.reach
from agent.reach import NETWORK_US
from agent.supervisor import DEATHS_MAX
from agent.survival import BAD_STARTS_MAX, SAFE_US
from agent.uplink import START_US_MAX, retry_delay_us
from boards.profiles import make_config
from protocols.messages import COMMAND
from protocols.vocabulary import (
    COMMAND_ACTUATE,
    COMMAND_IDENTIFY,
    COMMAND_RESTART,
    COMMAND_SELF_TEST,
    COMMAND_UPDATE,
)
from simulators.signals.basic import Constant
from simulators.virtual_device import VirtualDevice
from tests.simulators.test_virtual_device import SECRET, TinyHub, wait_until
from tests.world.virtual_time import VirtualLoop

UPDATE_US_MAX = 900_000_000  # of agent/main.py
BOOT_RESTART_S = 2  # as agent/boot.py waits
WATCHDOG_S = 8
SIREN_PIN = 14
SOON_US = 1_800_000_000  # in place of the six hours, each of which takes seconds here


class Restarting(VirtualDevice):
    """A device whose boot file starts the agent again, whatever it died of."""

    async def _boot(self) -> None:
        try:
            await super()._boot()
        except Exception:
            await asyncio.sleep(BOOT_RESTART_S)
            self.board.reset()


class LoopClock:
    """World time is the loop's."""

    def now_us(self) -> int:
        return int(asyncio.get_running_loop().time() * 1_000_000)

    def sleep_us(self, duration_us: int) -> None:
        pass


def in_virtual_time(play: Callable[[], Awaitable[None]]) -> None:
    """Run to the end, in a loop whose time jumps."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(random.Random(1))) as runner:
        runner.run(_awaited(play))


async def _awaited(play: Callable[[], Awaitable[None]]) -> None:
    await play()


async def nobody(host: str, port: int) -> Any:
    raise OSError(113, "no route to host")


def gauge(dial: Any = nobody, device: type[VirtualDevice] = VirtualDevice) -> VirtualDevice:
    config = make_config("river-gauge", "river-1", SECRET, host="hub", port=1)
    return device(config, {"level": Constant(3.0)}, LoopClock(), dial=dial)


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("task", ["sampler", "uplink", "update"])
def test_a_task_that_hangs_is_ended_by_the_watchdog_and_named_in_the_next_hello(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        device = gauge()
        device.start()
        await asyncio.sleep(30)
        assert device.board.boots_count == 1 and device.agent is not None
        # From its next turn on it waits for what never comes.
        if task == "sampler":
            monkeypatch.setattr(agent.main, "sleep_us", never)
        elif task == "uplink":
            monkeypatch.setattr(device.agent.uplink, "_connect", never)
        else:
            monkeypatch.setattr(device.agent.update, "_work", never)
            device.agent.update.command(1, COMMAND_UPDATE, [b""])
            await asyncio.sleep(UPDATE_US_MAX / 1e6)
        # Its pause, the margin of its promise, and the watchdog.
        for _ in range(10 * (30 + 10 + WATCHDOG_S + 2)):
            await asyncio.sleep(0.1)
            if device.board.boots_count == 2:
                break
        await asyncio.sleep(0.5)
        assert device.agent._greeting()[3] == f"watchdog; boot 1: no beat of {task}"
        device.power_cut()

    in_virtual_time(play)


def test_a_device_that_dies_at_each_start_ends_in_safe_mode_and_measures_again_later() -> None:
    async def play() -> None:
        device = gauge(device=Restarting)
        good = device.config["sensors"]
        device.config["sensors"] = [{"name": "level", "driver": "a02yyuw", "uart": "none"}]
        device.start()
        await asyncio.sleep(60)
        assert device.board.boots_count == BAD_STARTS_MAX + 1
        safe = device.agent
        assert safe is not None and safe.survival.is_safe and safe.sampler.sensors == []
        cause = safe._greeting()[3]
        assert cause.startswith("software; safe mode; boot 5: ") and "ConfigError" in cause
        device.config["sensors"] = good
        await asyncio.sleep(SAFE_US / 1e6)
        assert device.board.boots_count == BAD_STARTS_MAX + 2
        assert device.agent is not None and not device.agent.survival.is_safe
        assert len(device.agent.sampler.sensors) == 1
        device.power_cut()

    in_virtual_time(play)


@pytest.mark.parametrize(
    "wrong",
    [
        {"outputs": [{"name": "siren", "pin": 999}]},
        {"led_pin": "none"},
        {"alone_after_ms": 1},
        {"update_key": "no key"},
        {"of a newer version": 1},
    ],
)
def test_safe_mode_is_reached_whatever_in_the_configuration_is_wrong(
    wrong: dict[str, Any],
) -> None:
    async def play() -> None:
        device = gauge(device=Restarting)
        device.config.update(wrong)
        device.start()
        await asyncio.sleep(60)
        assert device.board.boots_count == BAD_STARTS_MAX + 1
        safe = device.agent
        assert safe is not None and safe.survival.is_safe and safe.uplink.connects_count
        assert "ConfigError" in safe._greeting()[3]
        device.power_cut()

    in_virtual_time(play)


def test_in_safe_mode_what_is_sound_can_still_be_switched() -> None:
    async def play() -> None:
        device = gauge(device=Restarting)
        device.config["sensors"] = [{"name": "level", "driver": "a02yyuw", "uart": "none"}]
        device.config["outputs"] = [{"name": "siren", "pin": SIREN_PIN}]
        device.start()
        await asyncio.sleep(60)
        safe = device.agent
        assert safe is not None and safe.survival.is_safe
        assert safe.operation.obey(COMMAND_ACTUATE, ["siren", 1000, False], 0)[0] == 0
        device.power_cut()

    in_virtual_time(play)


def die(now_us: int) -> int:
    """Stand for a sampler that has a bug."""
    raise RuntimeError("boom")


def test_a_siren_goes_off_in_time_though_the_sampler_dies_at_each_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play() -> None:
        device = gauge()
        device.config["outputs"] = [{"name": "siren", "pin": SIREN_PIN}]
        device.start()
        await asyncio.sleep(5)
        running = device.agent
        assert running is not None
        arguments = ["siren", 5000, False]
        assert running.operation.obey(COMMAND_ACTUATE, arguments, running._now_us())[0] == 0
        monkeypatch.setattr(running.sampler, "run_due", die)
        await asyncio.sleep(7)
        assert device.agent is running and running.supervisor.restarts_count > 3
        assert running.outputs.on == {}
        device.power_cut()

    in_virtual_time(play)


def test_a_task_that_dies_again_and_again_is_left_to_the_watchdog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A board that starts anew may get out of it; this boot will not."""

    async def play() -> None:
        device = gauge()
        device.start()
        await asyncio.sleep(5)
        assert device.agent is not None
        monkeypatch.setattr(device.agent.sampler, "run_due", die)
        await asyncio.sleep(DEATHS_MAX + 30)
        assert device.board.boots_count == 2
        cause = device.agent._greeting()[3]
        assert cause.startswith("watchdog; boot 1: sampler: ") and "boom" in cause
        assert device.agent.survival.bad_starts == 1
        device.power_cut()

    in_virtual_time(play)


async def test_in_safe_mode_the_hub_is_answered_and_can_restart_it() -> None:
    hub = TinyHub("river-1")
    await hub.start()
    config = make_config("river-gauge", "river-1", SECRET, host="127.0.0.1", port=hub.port)
    device = Restarting(config, {"level": Constant(3.0)}, LoopClock())
    flashlog_keeps_bad_starts(device)
    device.board._next_cause = "watchdog"
    device.board.power_on()
    device.start()
    await wait_until(lambda: hub.hellos)
    assert "; safe mode" in hub.hellos[0]["reset_cause"]
    await wait_until(lambda: hub.payloads)  # the notice of it
    for number, code in enumerate((COMMAND_SELF_TEST, COMMAND_IDENTIFY, COMMAND_RESTART)):
        order(hub, number, code)
        await wait_until(lambda: len(hub.results) > number)  # noqa: B023
    assert [result["status"] for result in hub.results] == [0, 1, 0]
    assert hub.results[1]["detail"] == "no led_pin"
    await wait_until(lambda: len(hub.hellos) == 2)
    assert hub.hellos[1]["reset_cause"] == "software"
    await device.stop()
    await hub.kill()


def flashlog_keeps_bad_starts(device: VirtualDevice) -> None:
    """Let the device have ended badly often enough."""
    from agent.flashlog import FlashLog
    from agent.survival import KEY_STARTS

    flashlog = FlashLog(device.flash)
    flashlog.mount()
    flashlog.next_boot()
    flashlog.keep(KEY_STARTS, bytes((BAD_STARTS_MAX, BAD_STARTS_MAX)))


def order(hub: TinyHub, number: int, code: int) -> None:
    """Send a command."""
    assert hub.session is not None
    hub.session.send(COMMAND, {"id": number, "code": code, "arguments": []})
    hub._writers[-1].write(hub._output(hub.session))


def test_a_wifi_that_is_up_but_silent_is_started_anew_and_then_the_board_in_good_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent.reach, "RESTART_US", SOON_US)

    async def play() -> None:
        resets: list[float] = []
        loop = asyncio.get_running_loop()
        device = gauge(silence)
        device.board.wireless = SimpleNamespace(
            is_up=lambda: True, reset=lambda: resets.append(loop.time())
        )
        began_s = loop.time()
        device.start()
        await asyncio.sleep(NETWORK_US / 1e6 + 60)
        assert len(resets) == 1 and device.board.boots_count == 1
        await asyncio.sleep(SOON_US / 1e6)
        # After 90, 270, 630 and 1350 s, and the first of the next boot.
        assert device.board.boots_count == 2 and 4 <= len(resets) <= 5
        assert device.agent is not None and device.agent._greeting()[3] == "software"
        # Nothing that was measured is lost: the boot was ended in good order.
        assert device.agent.flashlog.kept(2) == (1).to_bytes(4, "big")
        assert resets[0] - began_s < NETWORK_US / 1e6 + 45
        device.power_cut()

    in_virtual_time(play)


async def silence(host: str, port: int) -> Any:
    """A connection attempt that hears nothing, as behind a dead access point."""
    await asyncio.Event().wait()


class Mute:
    """Both halves of a connection whose other end says nothing, or hangs up at once."""

    def __init__(self, hangs_up: bool) -> None:
        self._hangs_up = hangs_up

    async def read(self, n: int) -> bytes:
        if not self._hangs_up:
            await asyncio.Event().wait()
        return b""

    async def drain(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass

    transport = SimpleNamespace(abort=lambda: None)


@pytest.mark.parametrize("answer", ["refuses", "hangs up", "says nothing"])
def test_a_machine_that_answers_proves_the_network_though_its_hub_does_not(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.reach, "RESTART_US", 3 * NETWORK_US)

    async def dial(host: str, port: int) -> Any:
        if answer == "refuses":
            raise ConnectionRefusedError(111, "refused")
        mute = Mute(answer == "hangs up")
        return mute, mute

    async def play() -> None:
        device = gauge(dial)
        resets: list[int] = []
        device.board.wireless = SimpleNamespace(reset=lambda: resets.append(1))
        device.start()
        await asyncio.sleep(3 * NETWORK_US / 1e6 + 60)
        assert device.agent is not None and device.agent.uplink.connects_count > 5
        assert device.agent.supervisor.restarts_count == 0
        assert resets == [] and device.board.boots_count == 1
        device.power_cut()

    in_virtual_time(play)


def test_two_hundred_boards_do_not_dial_at_once() -> None:
    """After the power came back for all, and after a hub was away for ten minutes."""
    chance = random.Random(5)
    firsts, comebacks = [], []
    for _ in range(200):
        start_us = START_US_MAX * chance.randrange(256) // 256
        firsts.append(start_us)
        at_us, failures = start_us, 0
        while at_us < 600_000_000:  # refused at once
            failures += 1
            at_us += retry_delay_us(failures, chance.randbytes(2))
        comebacks.append(at_us)
    assert most_within(firsts, 50_000) <= 40
    assert most_within(comebacks, 1_000_000) <= 30


def most_within(times_us: list[int], span_us: int) -> int:
    """Return the most that fall within any span."""
    times = sorted(times_us)
    return max(sum(first <= at < first + span_us for at in times) for first in times)
