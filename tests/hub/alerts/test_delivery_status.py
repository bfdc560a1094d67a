"""What `hinomi hub status` says where alerts do not reach people, and that it is silent else."""

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from hub.main import Hub
from hub.status import delivery_words, render
from tests.hub.alerts.receivers import web_receiver
from tests.hub.alerts.test_alerts import WIRE, FakePeer, Killed, run, settings, until


def test_a_channel_that_is_down_and_a_siren_that_is_away_are_named(tmp_path: Path) -> None:
    path, said = settings(tmp_path, 1), io.StringIO()

    async def act(hub: Hub, peer: FakePeer) -> None:
        assert delivery_words(hub.alerts.statistics()) == []
        hub.watch.find(WIRE)
        await until(lambda: delivery_words(hub.alerts.statistics()))
        del hub.ingest.peers["siren-1"]
        render(await asyncio.to_thread(hub.snapshot), Console(file=said, width=200))
        raise Killed

    with pytest.raises(Killed):
        run(path, act)
    text = said.getvalue()
    assert "webhook:prefecture takes nothing for 0 s, 1 wait" in text
    assert "not connected: siren-1" in text


def test_a_delivered_alert_leaves_nothing_to_say(tmp_path: Path) -> None:
    with web_receiver() as receiver:

        async def act(hub: Hub, peer: FakePeer) -> None:
            hub.watch.find(WIRE)
            await until(lambda: receiver.got)
            await until(lambda: delivery_words(hub.alerts.statistics()) == [])

        run(settings(tmp_path, receiver.port), act)
