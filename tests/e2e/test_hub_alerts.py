"""A torn wire, from its board to the siren and to everybody who is told; a hub that is killed."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hub import config as configuration
from hub.alert_commands import alerts
from hub.alerts import outbox
from protocols.batch import Series, encode_batch
from protocols.messages import COMMAND, RESULT
from protocols.vocabulary import COMMAND_ACTUATE, LANE_ALERT, RESULT_DONE
from tests.hub.alerts.receivers import web_receiver
from tests.hub.alerts.test_cap import check_schema, read
from tests.hub.device import Device, now_us
from tests.hub.hub_process import HubProcess, secret_of, wait_until

SIREN_S_MAX = 2.0  # from the torn wire to the siren, with no line to the outside
SETTINGS = {("uplink", "port"): 1, ("alerts", "update_s"): 10}


class Slope(Device):
    """A board with a wire."""

    def wire(self, state: int) -> None:
        """Seal and send the state of the wire: 0 intact, 1 torn."""
        at_us = now_us()
        series = Series("wire", "", (0, 1), at_us, spacing_ns=0, values=[state], times_us=[at_us])
        payload = encode_batch((self.boot, self.made, LANE_ALERT, at_us), [series])
        frame = self.held[self.made] = self.keys.up.seal(payload)
        self.made += 1
        self.write(frame)


class Siren(Device):
    """A board with a siren. heard: when it was told what."""

    heard: list[tuple[float, list[Any]]]

    def _handle(self, kind: int, fields: dict[str, Any]) -> None:
        super()._handle(kind, fields)
        if kind == COMMAND:
            if fields["code"] == COMMAND_ACTUATE:
                self.heard.append((time.monotonic(), fields["arguments"]))
            self.session.send(RESULT, {"id": fields["id"], "status": RESULT_DONE, "detail": ""})


@contextmanager
def hub_of_a_slope(folder: Path, hook_port: int) -> Iterator[HubProcess]:
    """Make a hub with a slope, a siren and a webhook; its uplink leads nowhere."""
    hub = HubProcess(folder, dict(SETTINGS))
    for name in ("slope-1", "siren-1"):
        device = configuration.Device(name, secret_of(name), "slope", f"{name} 裏山", name)
        configuration.enroll(hub.folder / "devices.toml", device)
    hook = {"name": "office", "url": f"http://127.0.0.1:{hook_port}/"}
    configuration.add_table(hub.config, "slope", {"device": "slope-1"})
    configuration.add_table(hub.config, "siren", {"device": "siren-1", "level": "warning"})
    configuration.add_table(hub.config, "webhook", hook)
    try:
        yield hub
    finally:
        if hub.process is not None:
            hub.end(signal.SIGKILL)


def call(hub: HubProcess, *words: str) -> tuple[int, str]:
    """Return exit code and output of `hinomi hub alerts ..`."""
    done = CliRunner().invoke(alerts, [*words, "--config", str(hub.config)])
    return done.exit_code, done.output


async def tear(hub: HubProcess) -> tuple[Slope, Siren, float]:
    """Connect both boards and tear the wire; return the delay until the siren was told, in s."""
    slope = Slope("slope-1", secret_of("slope-1"), hub.port)
    siren = Siren("siren-1", secret_of("siren-1"), hub.port)
    siren.heard = []
    await siren.open()
    await slope.open()
    slope.wire(0)
    await slope.wait_acknowledged()
    torn_s = time.monotonic()
    slope.wire(1)
    await siren.wait_until(lambda: siren.heard)
    return slope, siren, siren.heard[0][0] - torn_s


def test_with_the_line_cut_the_siren_sounds_and_people_see_to_it(tmp_path: Path) -> None:
    with web_receiver() as receiver, hub_of_a_slope(tmp_path, receiver.port) as hub:
        hub.start()

        async def main() -> None:
            slope, siren, delay_s = await tear(hub)
            assert siren.heard[0][1] == ["siren", 60_000, False] and delay_s < SIREN_S_MAX
            await asyncio.to_thread(wait_until, lambda: receiver.got, "the webhook")
            assert hub.status()["uplinks"][0]["state"] == "down"
            code, text = await asyncio.to_thread(call, hub, "ack", "1", "--by", "佐藤")
            assert (code, text) == (0, "acknowledged.\n")
            code, text = await asyncio.to_thread(call, hub, "list", "--json")
            (event,) = json.loads(text)
            assert (event["state"], event["acknowledged_by"]) == ("open", "person:佐藤")
            words = ("cancel", "1", "--reason", "誤って切った", "--by", "佐藤")
            assert (await asyncio.to_thread(call, hub, *words))[0] == 0
            await siren.wait_until(lambda: siren.heard[-1][1] == ["siren", 0, False])
            for one in (slope, siren):
                await one.close()

        asyncio.run(main())
        wait_until(lambda: len(receiver.got) == 2, "the cancellation")
        alert, cancelled = (read(body) for _, body in receiver.got)
        check_schema(receiver.got[1][1])
        (reference,) = cancelled.references_to_list()
        assert (reference.identifier, reference.sender) == (alert.identifier, alert.sender)
        assert (
            cancelled.note == "誤って切った"
            and alert.infos[0].areas[0].area_desc == "slope-1 裏山"
        )
        code, text = call(hub, "list")
        assert code == 0 and "cancelled" in text and "person:佐藤" in text
        assert hub.end() == 0


def test_a_hub_killed_between_decision_and_sending_sends_it_after_its_start(
    tmp_path: Path,
) -> None:
    with web_receiver() as receiver, hub_of_a_slope(tmp_path, receiver.port) as hub:
        receiver.answers = [503] * 1000  # the receiver is there and takes nothing
        hub.start()

        async def main() -> None:
            slope, siren, _ = await tear(hub)
            await asyncio.to_thread(wait_until, lambda: receiver.paths, "the first try")
            hub.end(signal.SIGKILL)
            for one in (slope, siren):
                await one.close()

        asyncio.run(main())
        assert receiver.got == []
        receiver.answers.clear()
        path = hub.folder / "data" / outbox.FILE_NAME
        outbox.ask(path, outbox.TEST, "person:佐藤", at_utc_us=1)
        hub.start()
        wait_until(lambda: len(receiver.got) >= 2, "what was decided, and the test")
        kinds = [read(body).status.value for _, body in receiver.got]
        assert kinds == ["Actual", "Test"] and len(receiver.taken()) == 2
        assert hub.end() == 0
