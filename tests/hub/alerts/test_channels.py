"""The ways out, each to a real server: webhook, mail, MQTT, drafts."""

import asyncio
import email.policy
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from hashlib import sha256
from hmac import compare_digest, new
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from hub.alerts import cap
from hub.alerts.channel import Channel, Filter, SendError
from hub.alerts.delivery import RETRY_S_MAX, Delivery
from hub.alerts.lalert import FOLDER, Drafts
from hub.alerts.mail import Mail
from hub.alerts.message import Message
from hub.alerts.mqtt_topic import MqttTopic
from hub.alerts.outbox import Job, Outbox
from hub.alerts.webhook import Webhook, key_of
from hub.rules.finding import EMERGENCY, WARNING
from tests.hub.alerts import desk
from tests.hub.alerts.receivers import MailReceiver, WebReceiver, web_receiver
from tests.hub.alerts.test_cap import MESSAGES, TOWN
from tests.hub.hub_process import Mosquitto
from tests.ports import free_port
from tests.real_parts import need

SECRET = bytes(range(32))
OPEN_ROW = {"level": "watch", "restricted": True, "drills": True, "step": 0}
DRILL = next(one for one in MESSAGES if one.status == "Exercise")
ACTUAL = next(one for one in MESSAGES if one.status == "Actual")


def webhook(receiver_port: int, path: str = "/alerts") -> Webhook:
    row = {"name": "prefecture", "url": f"http://127.0.0.1:{receiver_port}{path}", **OPEN_ROW}
    return Webhook(row, SECRET, TOWN, lambda: 1_790_000_000)


def mail(port: int, **changes: Any) -> Mail:
    row = {"name": "staff", "host": "127.0.0.1", "port": port, "security": "none", "user": "",
           "sender": "hinomi@town.example", "receivers": "a@town.example, b@town.example",
           **OPEN_ROW, **changes}  # fmt: skip
    return Mail(row, TOWN)


# Webhook


def test_a_webhook_is_signed_and_carries_the_same_identifier_each_time() -> None:
    with web_receiver() as receiver:
        hook = webhook(receiver.port)
        asyncio.run(hook.send(ACTUAL))
        asyncio.run(hook.send(ACTUAL))
    (first, body), (second, _) = receiver.got
    assert body == cap.document(ACTUAL, TOWN)
    assert first["Content-Type"] == "application/cap+xml"
    assert first["Idempotency-Key"] == second["Idempotency-Key"] == ACTUAL.identifier
    # As a receiver checks it, from the words of the docstring alone.
    signed = f"{first['X-Hinomi-Timestamp']}.{first['Idempotency-Key']}.".encode() + body
    key = key_of(SECRET, "prefecture").encode()
    assert compare_digest(
        first["X-Hinomi-Signature"], "sha256=" + new(key, signed, sha256).hexdigest()
    )
    assert key_of(SECRET, "other") != key_of(SECRET, "prefecture")


@pytest.mark.parametrize(
    ("code", "is_final"),
    [(400, True), (413, True), (401, False), (404, False), (429, False), (500, False)],
)
def test_a_no_that_speaks_of_the_message_is_final(code: int, is_final: bool) -> None:
    with web_receiver() as receiver:
        receiver.answers = [code]
        with pytest.raises(SendError) as caught:
            asyncio.run(webhook(receiver.port).send(ACTUAL))
    assert caught.value.is_final == is_final and str(code) in str(caught.value)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_webhook_follows_no_redirect(code: int) -> None:
    with web_receiver() as receiver:
        receiver.answers = [code]
        with pytest.raises(SendError):
            asyncio.run(webhook(receiver.port).send(ACTUAL))
    assert receiver.paths == ["/alerts"] and receiver.got == []


def test_nobody_there_is_an_error_that_passes() -> None:
    with pytest.raises(SendError) as caught:
        asyncio.run(webhook(free_port()).send(ACTUAL))
    assert not caught.value.is_final


# Mail


def with_mail(act: Callable[[MailReceiver, int], Awaitable[None]]) -> MailReceiver:
    receiver = MailReceiver()

    async def main() -> None:
        server, port = await receiver.serve()
        try:
            await act(receiver, port)
        finally:
            server.close()

    asyncio.run(main())
    return receiver


def test_a_mail_is_read_in_both_languages_and_carries_the_document() -> None:
    async def act(_: MailReceiver, port: int) -> None:
        for message in (DRILL, ACTUAL):
            await mail(port).send(message)

    receiver = with_mail(act)
    assert receiver.receivers == [["a@town.example", "b@town.example"]] * 2
    drill, actual = (
        message_from_bytes(one, policy=email.policy.default) for one in receiver.mails
    )
    assert drill["Subject"].startswith("【訓練】") and drill["X-Hinomi-Status"] == "Exercise"
    assert not actual["Subject"].startswith("【訓練】")
    assert actual["Message-ID"] == f"<{ACTUAL.identifier}@town.example>"
    body = drill.get_body()
    assert body is not None
    text = body.get_content()
    assert "これは実際の警報ではありません" in text and "[DRILL]" in text and "太田川下流" in text
    (attached,) = actual.iter_attachments()
    assert attached.get_content_type() == "application/cap+xml"
    assert attached.get_content() == cap.document(ACTUAL, TOWN)


def test_updates_are_one_thread_of_mails() -> None:
    update = next(one for one in MESSAGES if one.references)
    composed = mail(1).compose(update)
    assert composed["In-Reply-To"] == f"<{update.references[-1][0]}@town.example>"
    assert update.references[0][0] in composed["References"]


def test_what_a_mail_server_answers_is_final_or_passes() -> None:
    outcomes = []

    async def act(receiver: MailReceiver, port: int) -> None:
        for answer in ("451 later", "554 no"):
            receiver.answers = [answer]
            with pytest.raises(SendError) as caught:
                await mail(port).send(ACTUAL)
            outcomes.append(caught.value.is_final)
        receiver.refused = {"a@town.example"}
        await mail(port).send(ACTUAL)  # the other gets it
        receiver.refused = {"a@town.example", "b@town.example"}
        with pytest.raises(SendError, match="550"):
            await mail(port).send(ACTUAL)

    receiver = with_mail(act)
    assert outcomes == [False, True] and receiver.receivers == [["b@town.example"]]


def test_a_mail_never_goes_unencrypted_where_it_must_not() -> None:
    async def act(_: MailReceiver, port: int) -> None:
        with pytest.raises(SendError, match="STARTTLS"):
            await mail(port, security="starttls").send(ACTUAL)

    assert with_mail(act).mails == []


# MQTT


def test_a_broker_keeps_the_newest_of_each_event_and_drills_apart(tmp_path: Path) -> None:
    async def main(port: int) -> dict[str, bytes]:
        row = {"name": "platform", "host": "127.0.0.1", "port": port, "version": "5", "user": "",
               "keepalive_s": 10}  # fmt: skip
        topic = MqttTopic(row, "hub-1", TOWN)
        for message in (DRILL, ACTUAL):
            await topic.send(message)
        got: dict[str, bytes] = {}
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("hinomi/v1/+/alerts/#", 1)
            async with asyncio.timeout(10):
                async for one in client.messages:
                    assert isinstance(one.payload, bytes)
                    got[str(one.topic)] = one.payload
                    if len(got) == 2:
                        return got
        raise AssertionError

    with Mosquitto(need("mosquitto"), tmp_path) as broker:
        got = asyncio.run(main(broker.port))
    assert got == {
        f"hinomi/v1/hub-1/alerts/exercise/{DRILL.event}": cap.document(DRILL, TOWN),
        f"hinomi/v1/hub-1/alerts/actual/{ACTUAL.event}": cap.document(ACTUAL, TOWN),
    }


def test_no_broker_is_an_error_that_passes() -> None:
    row = {"name": "platform", "host": "127.0.0.1", "port": free_port(), "version": "5",
           "user": "", "keepalive_s": 10}  # fmt: skip
    with pytest.raises(SendError):
        asyncio.run(MqttTopic(row, "hub-1", TOWN).send(ACTUAL))


# Drafts


def test_a_draft_is_a_file_whose_name_tells_a_drill(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path, TOWN)
    for message in (DRILL, ACTUAL, ACTUAL):
        asyncio.run(drafts.send(message))
    names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {f"exercise-{DRILL.identifier}.txt", f"actual-{ACTUAL.identifier}.txt"}


# Filters


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: f"{one.status}-{one.identifier}")
def test_what_goes_where(message: Message) -> None:
    assert Filter(level=EMERGENCY).passes(message) == (
        (message.level >= EMERGENCY or message.event == 0) and not message.is_personal
    )
    assert not (Filter(drills=False).passes(message) and not message.is_actual)
    assert not (Filter(restricted=False).passes(message) and not message.is_public)
    assert not (Filter(WARNING).passes(message) and message.is_personal)


# Delivery


class Waits:
    """Stands in for the time between tries."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        await asyncio.sleep(0)


def deliver(folder: Path, channel: Channel, messages: list[Message], until: Any) -> Delivery:
    """Deliver messages until `until(delivery)`; then kill it at once."""

    async def main() -> Delivery:
        async def later(work: Any, *details: Any) -> Any:
            return work(*details)

        box = Outbox(folder / "alerts.sqlite")
        waiting = tuple((one.sequence, channel.name) for one in messages)
        box.keep(Job(tuple(messages), (), waiting))
        delivery = Delivery(channel, box, later, sleep=Waits())
        task = asyncio.create_task(delivery.run())
        async with asyncio.timeout(20):
            while not until(delivery):  # noqa: ASYNC110 (it looks from outside)
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        box.close()
        return delivery

    return asyncio.run(main())


def storm() -> list[Message]:
    town = desk.Town()
    for number in range(5):
        town.take(desk.finding(f"gauge-{number}"))
    return town.messages


def test_a_channel_that_fails_gets_all_in_order_once_it_is_back(tmp_path: Path) -> None:
    messages = storm()
    with web_receiver() as receiver:
        receiver.answers = [503] * 9 + [200, 500, 200, 400]
        hook = webhook(receiver.port)
        delivery = deliver(tmp_path, hook, messages, lambda one: len(receiver.got) == 4
                           and one.state == "idle")  # fmt: skip
    names = [one.identifier for one in messages]
    assert receiver.taken() == [names[0], names[1], names[3], names[4]]  # 400: names[2] is left
    assert delivery.counts == {"delivered": 4, "refused": 1, "failures": 10}
    waits_s = delivery._sleep.waits_s  # type: ignore[attr-defined]
    assert waits_s[:4] == [1, 2, 4, 8] and max(waits_s) == RETRY_S_MAX and waits_s[-1] == 1


def test_a_kill_while_sending_sends_again_under_the_same_identifier(tmp_path: Path) -> None:
    messages = storm()
    with web_receiver() as receiver:
        deliver(tmp_path, webhook(receiver.port), messages, lambda _: len(receiver.got) >= 2)
        seen = len(receiver.got)
        deliver(tmp_path, webhook(receiver.port), messages, lambda one: one.state == "idle"
                and len(receiver.taken()) == 5)  # fmt: skip
    assert receiver.taken() == [one.identifier for one in messages] and seen >= 2
    assert len(receiver.got) <= 6  # only what was under way comes twice


def test_the_receiver_in_this_test_counts_repeats_once() -> None:
    receiver = WebReceiver()
    receiver.got = [({"Idempotency-Key": "a"}, b""), ({"Idempotency-Key": "a"}, b"")]
    assert receiver.taken() == ["a"]
