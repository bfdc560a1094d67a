"""Checks of the warnings: would they reach people now, and has somebody seen those that are open.

Where the hub runs, what its page shows of sirens' boards; else what its file of alerts says.
"""

import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hub.alerts import mail, outbox
from hub.alerts.message import kind_of
from hub.config import Config
from hub.diagnosis import FAIL, OK, WARN, Finding
from hub.doctor_network import password_of
from hub.local_time import shown

DIAL_S_MAX = 5.0
CHECK = "alerts"


def check_alerts(config: Config, utc_us: int, status: dict[str, Any] | None) -> Iterator[Finding]:
    """All of it; one line says that nothing is wrong. status: of the running hub's page."""
    found = [
        *_check_status(config),
        *_check_file(config, utc_us),
        *_check_mail(config),
        *_check_webhooks(config),
        *_check_sirens(config, status),
    ]
    if all(one.state == OK for one in found):
        yield Finding(CHECK, OK, ("警報の送り先に異常はありません", "alerts can go out"))
    yield from found


def _check_status(config: Config) -> Iterator[Finding]:
    if config.tables["alerts"]["status"] == "test":
        yield Finding(
            CHECK,
            WARN,
            (
                "すべての警報に「試験」が付き、サイレンは鳴りません",
                "every alert is marked as a test, and no siren sounds",
            ),
            (
                "設置が終わったら hub.toml の alerts.status を actual にしてください。",
                'Once all is set up, write status = "actual" into [alerts] of hub.toml.',
            ),
        )


def _check_file(config: Config, utc_us: int) -> Iterator[Finding]:
    path = config.data / outbox.FILE_NAME
    if not path.exists():
        return
    damaged = path.with_name(path.name + outbox.DAMAGED)
    if damaged.exists():
        yield Finding(
            CHECK,
            WARN,
            (
                f"壊れた警報の記録が退避されています: {damaged.name}",
                f"a damaged file of alerts was put aside: {damaged.name}",
            ),
            (
                "ディスクを調べ、古い警報の解除が届いたか受信者に確認してから移してください。",
                "Check the disk; ask the receivers whether they hold alerts that nobody ended;"
                " then move the file away.",
            ),
        )
    offset_min = config.tables["mode"]["utc_offset_min"]
    try:
        stuck, events = outbox.stuck(path), outbox.open_events_of(path)
    except sqlite3.Error as error:
        yield _unreadable(path, error)
        return
    for one in stuck:
        if not one.tries:
            continue
        since = shown(one.since_utc_us, offset_min)
        yield Finding(
            f"{CHECK} {one.channel}",
            FAIL,
            (
                f"{since} から不達（{one.count} 件待ち、{one.tries} 回失敗）: {one.detail}",
                f"takes nothing since {since} ({one.count} wait, {one.tries} tries): {one.detail}",
            ),
            (
                "相手の稼働、回線、hub.toml の宛先を確認してください。復旧後は自動で送られます。",
                "Check that it runs, the line to it and its address in hub.toml; what waits is"
                " sent by itself then.",
            ),
        )
    for event in events:
        age_s = (utc_us - event.started_utc_us) // 1_000_000
        if not event.needs_acknowledgement or age_s < config.tables["alerts"]["escalate_s"]:
            continue
        kind = kind_of(event.kind)
        drill = ("訓練 ", "drill ") if event.drill else ("", "")
        yield Finding(
            f"{CHECK} {event.id}",
            WARN,
            (
                f"{drill[0]}{kind.event_ja}: {age_s // 60} 分間 誰も確認していません",
                f"{drill[1]}{kind.event_en}: nobody has acknowledged it for {age_s // 60} min",
            ),
            (
                f"現場を確かめ、hinomi hub alerts ack {event.id} を実行してください。",
                f"See to it, then run: hinomi hub alerts ack {event.id}",
            ),
        )


def _unreadable(path: Path, error: Exception) -> Finding:
    return Finding(
        CHECK,
        FAIL,
        (f"{path} を読めません: {error}", f"{path}: {error}"),
        (
            "ハブを再起動してください。壊れたファイルは退避され、新しく作られます。",
            "Restart the hub: a damaged file is put aside and a new one is begun.",
        ),
    )


def _check_mail(config: Config) -> Iterator[Finding]:
    """Log in as the hub would, and send nothing."""
    password = password_of(config, mail.PASSWORD) or ""
    for row in config.tables["mail"]:
        where = f"{row['name']} ({row['host']}:{row['port']})"
        try:
            with closing(mail.connect(row, password, DIAL_S_MAX)) as server:
                server.quit()
        except OSError as error:
            reason = mail.why(error)
            yield Finding(
                f"{CHECK} mail",
                FAIL,
                (f"{where}: {reason}", f"{where}: {reason}"),
                (
                    "mail.host、port、security、user と hub.env の HINOMI_MAIL_PASSWORD、"
                    "相手の証明書を確認してください。",
                    "Check mail.host, port, security and user, HINOMI_MAIL_PASSWORD in hub.env,"
                    " and the server's certificate.",
                ),
            )
        else:
            text = (f"{where} に入れます", f"{where} lets the hub in")
            yield Finding(f"{CHECK} mail", OK, text)


def _check_webhooks(config: Config) -> Iterator[Finding]:
    """Dial, and say nothing."""
    for row in config.tables["webhook"]:
        url = urlsplit(row["url"])
        where = f"{row['name']} ({url.netloc})"
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            with socket.create_connection((url.hostname, port), DIAL_S_MAX) as line:
                if url.scheme == "https":
                    context = ssl.create_default_context()
                    context.wrap_socket(line, server_hostname=url.hostname).close()
        except OSError as error:
            reason = mail.why(error)
            yield Finding(
                f"{CHECK} webhook",
                FAIL,
                (f"{where}: {reason}", f"{where}: {reason}"),
                (
                    "相手の稼働、回線、証明書、webhook.url を確認してください。",
                    "Check that it runs, the line to it, its certificate and webhook.url.",
                ),
            )
        else:
            yield Finding(f"{CHECK} webhook", OK, (f"{where} につながります", f"{where} is there"))


def _check_sirens(config: Config, status: dict[str, Any] | None) -> Iterator[Finding]:
    if status is None:
        return
    delivery = status["delivery"]
    for device in dict.fromkeys(row["device"] for row in config.tables["siren"]):
        if device not in delivery["sirens"]["away"]:
            text = (f"サイレンの端末 {device} はつながっています", f"siren's {device} is there")
            yield Finding(f"{CHECK} siren", OK, text)
            continue
        yield Finding(
            f"{CHECK} siren",
            FAIL,
            (
                f"サイレンの端末 {device} がつながっていません。鳴らせません",
                f"the siren's board {device} is not connected: it cannot sound",
            ),
            (
                "端末の電源と回線を確認してください。それまでは防災無線など別の手段を。",
                "Check its power and line; until then warn by another way, as the town's radio.",
            ),
        )
    if delivery["sirens"]["given_up"]:
        count = delivery["sirens"]["given_up"]
        yield Finding(
            f"{CHECK} siren",
            WARN,
            (
                f"起動後 {count} 回、サイレンが鳴動を確認できませんでした",
                f"{count} times since the start a siren has not confirmed that it sounds",
            ),
            (
                "hinomi hub alerts list と現地の配線を確認してください。",
                "See `hinomi hub alerts list`, and check the wiring on site.",
            ),
        )
    if not delivery["is_durable"]:
        yield Finding(
            CHECK,
            FAIL,
            (
                "警報はメモリだけにあり、再起動で失われます",
                "alerts are in memory alone: a restart loses them",
            ),
            (
                "ディスクを空けて、ハブを再起動してください。",
                "Free space on the disk, then restart the hub.",
            ),
        )
