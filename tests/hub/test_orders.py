"""What devices must go by: told at once, confirmed, told again, refused."""

from types import SimpleNamespace
from typing import Any

from hub.config import Device
from hub.orders import RESEND_US, SENT_PER_TICK_MAX, SHOWN_MAX, Orders
from hub.policy import orders as policy_orders
from protocols.session import OPEN
from protocols.vocabulary import (
    COMMAND_MODE,
    COMMAND_POLICY,
    MODE_DISASTER,
    MODE_NORMAL,
    RESULT_DONE,
    RESULT_FAILED,
)
from tests.hub.test_policy import row

S = 1_000_000
POLICIES = policy_orders([row("disaster", "river", "level", every_ms=10_000)])
VERSION = POLICIES["river"][0]


class HandPeer:
    """A session of a device, as hub.orders sees it."""

    def __init__(self) -> None:
        self.state = OPEN
        self.commands: list[tuple[int, list[Any]]] = []
        self.answers: list[Any] = []

    def command(self, code: int, arguments: list[Any], answer: Any) -> int:
        """Note a command; return its number."""
        self.commands.append((code, arguments))
        self.answers.append(answer)
        return len(self.commands)


class Bench:
    """Orders, and who is there."""

    def __init__(self, *names: str, kind: str = "river") -> None:
        devices = {name: Device(name, bytes(32), kind) for name in names}
        self.peers: dict[str, HandPeer] = {}
        self.mode = (MODE_NORMAL, False)
        ingest: Any = SimpleNamespace(peers=self.peers, devices=devices)
        self.orders = Orders(ingest, lambda: self.mode, POLICIES)

    def come(self, name: str, mode: int = MODE_NORMAL, policy: int = 0) -> HandPeer:
        """Let a device say hello."""
        peer = self.peers[name] = HandPeer()
        self.orders.greeted(name, {"mode": mode, "drill": False, "policy": policy})
        return peer

    def change(self, mode: int, drill: bool = False, now_us: int = 0) -> None:
        """Change the mode."""
        self.mode = (mode, drill)
        self.orders.mode_changed(now_us)

    def answer(self, name: str, status: int = RESULT_DONE, number: int = -1) -> None:
        """Let a device answer its newest command, or that of this number."""
        detail = "" if status == RESULT_DONE else "no sensor can"
        self.peers[name].answers[number](name, {"id": 1, "status": status, "detail": detail})

    def counts(self) -> tuple[int, int, int]:
        """Return refused, waiting, away."""
        counts = self.orders.unconfirmed()["counts"]
        return counts["refused"], counts["waiting"], counts["away"]


def test_a_device_that_comes_gets_what_it_does_not_hold_and_no_more() -> None:
    bench = Bench("a", "b", "c")
    bench.mode = (MODE_DISASTER, False)
    old, half, up_to_date = (
        bench.come("a"),
        bench.come("b", MODE_DISASTER),
        bench.come("c", MODE_DISASTER, VERSION),
    )
    bench.orders.tick(0)
    assert old.commands == [
        (COMMAND_MODE, [MODE_DISASTER, False]), (COMMAND_POLICY, POLICIES["river"]),
    ]  # fmt: skip
    assert half.commands == [(COMMAND_POLICY, POLICIES["river"])]
    assert up_to_date.commands == []


def test_what_is_confirmed_is_not_sent_again() -> None:
    bench = Bench("a")
    peer = bench.come("a")
    bench.orders.tick(0)
    assert bench.counts() == (0, 1, 0)
    bench.answer("a")
    assert bench.counts() == (0, 0, 0)
    for at_s in range(0, 1000, 10):
        bench.orders.tick(at_s * S)
    assert len(peer.commands) == 1


def test_what_is_not_confirmed_is_sent_again_while_the_device_is_there() -> None:
    bench = Bench("a")
    peer = bench.come("a", policy=VERSION)
    bench.change(MODE_DISASTER)
    for at_s in range(1, 100):
        bench.orders.tick(at_s * S)
    assert len(peer.commands) == 1 + 99 * S // RESEND_US
    del bench.peers["a"]
    bench.orders.tick(500 * S)
    assert bench.counts() == (0, 0, 1)


def test_one_that_was_away_gets_it_as_soon_as_it_is_back() -> None:
    bench = Bench("a")
    bench.come("a", policy=VERSION)
    del bench.peers["a"]
    bench.change(MODE_DISASTER)
    assert bench.counts() == (0, 0, 1)
    back = bench.come("a", policy=VERSION)
    bench.orders.tick(S)
    assert back.commands == [(COMMAND_MODE, [MODE_DISASTER, False])]
    bench.answer("a")
    assert bench.counts() == (0, 0, 0)


def test_one_that_refuses_is_asked_again_when_it_comes_anew_or_the_order_is_another() -> None:
    bench = Bench("a")
    peer = bench.come("a")
    bench.orders.tick(0)
    bench.answer("a", RESULT_FAILED)
    for at_s in range(100):
        bench.orders.tick(at_s * S)
    assert len(peer.commands) == 1 and bench.counts() == (1, 0, 0)
    (shown,) = bench.orders.unconfirmed()["rows"]
    assert shown == {"device": "a", "what": "policy", "why": "refused", "detail": "no sensor can"}
    bench.change(MODE_DISASTER, now_us=100 * S)
    assert [code for code, _ in peer.commands] == [COMMAND_POLICY, COMMAND_MODE]
    again = bench.come("a", MODE_DISASTER)
    bench.orders.tick(101 * S)
    assert [code for code, _ in again.commands] == [COMMAND_POLICY]


def test_a_drill_of_the_same_mode_is_another_order() -> None:
    bench = Bench("a")
    peer = bench.come("a", policy=VERSION)
    for drill in (True, False):
        bench.change(MODE_DISASTER, drill)
        assert peer.commands[-1] == (COMMAND_MODE, [MODE_DISASTER, drill])
        bench.answer("a")


def test_an_order_that_is_taken_back_before_its_answer_is_sent_all_the_same() -> None:
    bench = Bench("a")
    peer = bench.come("a", policy=VERSION)
    bench.change(MODE_DISASTER, True)
    bench.change(MODE_NORMAL)
    assert peer.commands[-1] == (COMMAND_MODE, [MODE_NORMAL, False])


def test_the_answer_to_an_older_order_confirms_only_that_one() -> None:
    bench = Bench("a")
    bench.come("a", policy=VERSION)
    bench.change(MODE_DISASTER, True)
    bench.change(MODE_DISASTER, False)
    bench.answer("a", number=0)
    assert bench.counts() == (0, 1, 0)
    bench.answer("a", number=1)
    assert bench.counts() == (0, 0, 0)


def test_an_answer_of_an_older_session_confirms_nothing() -> None:
    bench = Bench("a")
    first = bench.come("a", policy=VERSION)
    bench.change(MODE_DISASTER)
    bench.come("a", policy=VERSION)
    bench.orders.tick(S)
    first.answers[-1]("a", {"id": 1, "status": RESULT_DONE, "detail": ""})
    assert bench.counts() == (0, 1, 0)


def test_a_device_of_another_kind_has_its_own_policy_or_none() -> None:
    bench = Bench("a", kind="bridge")
    peer = bench.come("a")
    bench.orders.tick(0)
    assert peer.commands == [] and bench.counts() == (0, 0, 0)
    back = bench.come("a", policy=VERSION)  # it was a river's
    bench.orders.tick(0)
    assert back.commands == [(COMMAND_POLICY, [0, []])]


def test_many_devices_are_told_in_turns_and_all_of_them() -> None:
    names = [f"d{number:05}" for number in range(2 * SENT_PER_TICK_MAX + 5)]
    bench = Bench(*names)
    for name in names:
        bench.come(name, policy=VERSION)
    bench.change(MODE_DISASTER)
    for _ in range(2):
        assert bench.orders.sent_count % SENT_PER_TICK_MAX == 0
        bench.orders.tick(S)
    assert bench.orders.sent_count == len(names)
    assert all(len(peer.commands) == 1 for peer in bench.peers.values())


def test_of_many_only_some_are_shown_those_who_refuse_first() -> None:
    names = [f"d{number:03}" for number in range(SHOWN_MAX + 20)]
    bench = Bench(*names)
    bench.come(names[-1])
    bench.orders.tick(0)
    bench.answer(names[-1], RESULT_FAILED)
    unconfirmed = bench.orders.unconfirmed()
    assert len(unconfirmed["rows"]) == SHOWN_MAX
    assert unconfirmed["rows"][0]["device"] == names[-1]
    assert sum(unconfirmed["counts"].values()) == len(names)
