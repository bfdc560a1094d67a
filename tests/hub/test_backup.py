"""A backup takes the alerts, the people and the reports along, and a restore goes on with them."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub import config as configuration
from hub.alerts.outbox import EVENTS_JUMP
from hub.backup import ALERTS, MANIFEST, BackupError, back_up, digest_of, restore
from hub.commands import CommandError, app
from hub.config import Config
from hub.main import Hub
from hub.people.office import GRANTS_KEY
from hub.people.register import load
from hub.rules.finding import EMERGENCY, INFO, WARNING, Finding
from tests.hub.alerts.receivers import WebReceiver, web_receiver
from tests.hub.alerts.test_alerts import settings, until
from tests.hub.alerts.test_cap import read

UTC_US = 1_782_000_000_000_000
PERSON = '[[person]]\npseudonym = "p-1"\nconsent = "2026-04-01"\n'
REPORT = Path("reports/20260701-120000-bridge/report.json")


def found(key: str, level: int = WARNING, *, is_over: bool = False) -> Finding:
    """Return a finding of a slope."""
    text = "平常" if is_over else f"level {level}"
    return Finding("slope", key, level, 0, text, text, is_over, kind="slope-wire", place="slope-1")


def alive(path: Path, receiver: WebReceiver, act: Callable[[Hub], list[Finding]]) -> None:
    """Run a hub until the receiver has a message for each finding of act, and to its end."""

    async def main() -> None:
        hub = Hub(configuration.load(path))
        tasks = [asyncio.ensure_future(work()) for work, _ in hub.alerts.jobs()]
        for finding in act(hub):
            count = len(receiver.got) + 1
            hub.watch.find(finding)
            hub.alerts.tick(hub.clock.now_us())
            await until(partial(is_reached, receiver, count))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.store.wait_idle()
        await hub.room.close()
        await hub.alerts.close()
        await hub.store.close()

    asyncio.run(main())


def is_reached(receiver: WebReceiver, count: int) -> bool:
    """Tell whether so many messages came."""
    return len(receiver.got) >= count


def make_hub(folder: Path, port: int) -> Path:
    """Return the hub.toml of a hub with a webhook, a person and a report."""
    path = settings(folder, port, settle_s=0, update_s=10)
    (path.parent / "people.toml").write_text(PERSON)
    report = path.parent / "data" / REPORT
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    (report.parent / "page.html.part").write_text("half")
    return path


def ignore(done: int, of_all: int) -> None:
    """Take a progress."""
    assert 0 <= done <= of_all


def test_after_a_restore_updates_and_ends_refer_to_what_was_sent_before(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = make_hub(tmp_path, receiver.port)
        backup = tmp_path / "backup"

        def first_life(hub: Hub) -> list[Finding]:
            return [found("a"), found("b")]

        def backed_up(hub: Hub) -> list[Finding]:
            # While it runs; what is said after the backup is unknown to it.
            hub.store.save_meta(GRANTS_KEY, "closed")
            back_up(configuration.load(path), backup, UTC_US, ignore)
            return [found("c"), found("a", EMERGENCY)]

        def restored(hub: Hub) -> list[Finding]:
            return [found("a", EMERGENCY), found("b", INFO, is_over=True), found("d")]

        alive(path, receiver, first_life)
        alive(path, receiver, backed_up)
        new = tmp_path / "other" / "hub.toml"
        assert restore(backup, new.parent, UTC_US, ignore) is None
        alive(new, receiver, restored)
        alerts = [read(body) for _, body in receiver.got]
    a, b, c, _, update, cancel, d = alerts
    names = [one.identifier for one in alerts]
    assert len(set(names)) == 7 and receiver.taken() == names
    for later, first, kind in ((update, a, "Update"), (cancel, b, "Cancel")):
        assert later.msg_type.value == kind and later.incidents == first.incidents
        (reference,) = later.references_to_list()
        assert (reference.identifier, reference.sender) == (first.identifier, first.sender)
    assert not d.references and d.incidents != c.incidents
    assert str(d.incidents).endswith(f"-e{2 + EVENTS_JUMP}")


def test_people_and_reports_are_in_it_for_its_owner_alone(tmp_path: Path) -> None:
    path = make_hub(tmp_path, 1)
    config = configuration.load(path)
    alive(path, WebReceiver(), lambda hub: [])
    backup = tmp_path / "backup"
    back_up(config, backup, UTC_US, ignore)
    files = json.loads((backup / MANIFEST).read_text())["files"]
    assert {"people.toml", ALERTS, REPORT.as_posix()} < set(files)
    assert not any(name.endswith(".part") for name in files)
    assert (backup.stat().st_mode & 0o777) == 0o700
    for name in ("people.toml", ALERTS, "hub.sqlite", "hub.secret", REPORT):
        assert (backup / name).stat().st_mode & 0o077 == 0, name
    (path.parent / "people.toml").write_text("")
    (config.data / "reports" / "later").mkdir()
    words = ["restore", str(backup), "--config", str(path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0 and "withdrawn" in result.output and "撤回" in result.output
    assert "p-1" in load(path.parent / "people.toml", [])
    assert (config.data / REPORT).read_text() == "{}"
    assert not (config.data / "reports" / "later").exists()
    (aside,) = path.parent.glob("replaced-*")
    assert (aside / "reports" / "later").exists() and (aside / ALERTS).exists()


def test_passwords_operators_and_the_page_s_certificate_go_along_wherever_they_stand(
    tmp_path: Path,
) -> None:
    path = make_hub(tmp_path, 1)
    (path.parent / "tls").mkdir()
    names = ("hub.env", "operators.toml", "tls/page.pem", "tls/key.pem")
    for name in names:
        (path.parent / name).write_text(f"# {name}\n")
    text = path.read_text()
    for before, after in (
        ('\ncertificate = ""', '\ncertificate = "tls/page.pem"'),
        ('\nkey = ""', '\nkey = "tls/key.pem"'),
        ('\ndata = "data"', '\ndata = "kept"'),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    path.write_text(text)
    (path.parent / "data").rename(path.parent / "kept")
    alive(path, WebReceiver(), lambda hub: [])
    backup = tmp_path / "backup"
    back_up(configuration.load(path), backup, UTC_US, ignore)
    other = tmp_path / "other"
    restore(backup, other, UTC_US, ignore)
    assert configuration.load(other / "hub.toml").data == other / "kept"
    assert (other / "kept" / ALERTS).exists()
    for name in names:
        assert (other / name).read_text() == f"# {name}\n"
        assert (other / name).stat().st_mode & 0o077 == 0


def test_verify_looks_at_the_alerts_too(tmp_path: Path) -> None:
    path = make_hub(tmp_path, 1)
    alive(path, WebReceiver(), lambda hub: [])
    words = ["verify", "--config", str(path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0 and "'alerts': 0" in result.output
    (path.parent / "data" / ALERTS).write_bytes(b"no database at all" * 999)
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, CommandError) and ALERTS in str(result.exception)


def manifest_of(backup: Path) -> dict[str, Any]:
    """Return what a backup says of itself."""
    manifest: dict[str, Any] = json.loads((backup / MANIFEST).read_text())
    return manifest


def test_a_backup_of_before_there_were_alerts_leaves_them_where_they_are(tmp_path: Path) -> None:
    path = make_hub(tmp_path, 1)
    config: Config = configuration.load(path)
    alive(path, WebReceiver(), lambda hub: [])
    backup = tmp_path / "backup"
    back_up(config, backup, UTC_US, ignore)
    manifest = manifest_of(backup)
    kept = ("hub.sqlite", "hub.toml", "hub.secret", "devices.toml")
    manifest["files"] = {name: manifest["files"][name] for name in kept}
    del manifest["places"], manifest["data"]
    (backup / MANIFEST).write_text(json.dumps({**manifest, "devices": "devices.toml"}))
    restore(backup, path.parent, UTC_US, ignore)
    assert (config.data / ALERTS).exists() and (config.data / REPORT).exists()
    assert "p-1" in load(path.parent / "people.toml", [])


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "elsewhere/evil", "reports/../../evil"])
def test_a_backup_writes_nothing_outside_of_its_hub(tmp_path: Path, name: str) -> None:
    path = make_hub(tmp_path, 1)
    alive(path, WebReceiver(), lambda hub: [])
    backup = tmp_path / "backup"
    back_up(configuration.load(path), backup, UTC_US, ignore)
    manifest = manifest_of(backup)
    manifest["files"][name] = digest_of(backup / "hub.toml")
    (backup / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BackupError, match="evil"):
        restore(backup, path.parent, UTC_US, ignore)
