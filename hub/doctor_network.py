"""Checks of a hub's ports and of the brokers it delivers to."""

import os
import socket
from collections.abc import Iterator
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from hub.config import Config
from hub.console.client import fetch
from hub.diagnosis import FAIL, OK, WARN, Finding

BROKER_TIMEOUT_S = 5.0
OWN_TIMEOUT_S = 3.0
PASSWORD = "HINOMI_UPLINK_PASSWORD"


def check_ports(
    config: Config, status: dict[str, Any] | None, *, is_running: bool
) -> Iterator[Finding]:
    """The hub's ports are free, or it is the hub who has them. status: what own_page says."""
    if is_running and status is not None:
        yield _of_running(status)
        return
    if is_running:
        yield Finding(
            "hub",
            FAIL,
            (
                "ハブは動いていますが、ページが応答しません",
                "the hub runs but its page does not answer",
            ),
            (
                "journalctl -u hinomi-hub でログを確認し、再起動してください。",
                "See its log (journalctl -u hinomi-hub), then restart it.",
            ),
        )
        return
    yield Finding("hub", OK, ("ハブは止まっています", "the hub is not running"))
    for table in ("ingest", "console"):
        host, port = str(config.tables[table]["host"]), int(config.tables[table]["port"])
        reason = _why_not(host, port)
        if reason:
            yield Finding(
                "ports",
                FAIL,
                (
                    f"{host}:{port} を使えません: {reason}",
                    f"{host}:{port} cannot be had: {reason}",
                ),
                (
                    f"hub.toml の {table}.host か {table}.port を変えるか、"
                    f"使っているものを止めてください（ss -ltnp）。",
                    f"Change {table}.host or {table}.port in hub.toml, or stop what uses"
                    f" it (see ss -ltnp).",
                ),
            )
        else:
            yield Finding("ports", OK, (f"{host}:{port} は空いています", f"{host}:{port} is free"))


def _of_running(answer: dict[str, Any]) -> Finding:
    failure = answer["store"].get("failure")
    if failure:
        return Finding(
            "hub",
            FAIL,
            (f"ハブは保存できずにいます: {failure}", f"the hub cannot store: {failure}"),
            (
                "ディスクを空けるか、取り替えてください。再起動は要りません。",
                "Free the disk or replace it; no restart is needed.",
            ),
        )
    return Finding("hub", OK, ("ハブは動いています", "the hub runs and answers"))


def own_page(config: Config) -> dict[str, Any] | None:
    """Return the status of the running hub as its page has it; None where none answers."""
    try:
        state: dict[str, Any] = fetch(config, "/api/status", OWN_TIMEOUT_S)
    except (OSError, ValueError):
        return None
    return state if state.get("hub", {}).get("id") == config.id else None


def _why_not(host: str, port: int) -> str:
    """Return why nobody can listen there; empty where one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def check_uplinks(config: Config) -> Iterator[Finding]:
    """Each broker is there and lets the hub in."""
    if not config.uplinks:
        yield Finding(
            "uplinks",
            WARN,
            (
                "送信先がありません。データはハブにたまります",
                "there is none: all data stays in the hub",
            ),
            ("hub.toml に [[uplink]] を書いてください。", "Write an [[uplink]] into hub.toml."),
        )
    for settings in config.uplinks:
        where = f"{settings['name']} ({settings['host']}:{settings['port']})"
        reason, remedy = _try_broker(config.id, settings, password_of(config, PASSWORD))
        if reason:
            yield Finding("uplink", FAIL, (f"{where}: {reason}", f"{where}: {reason}"), remedy)
        else:
            yield Finding("uplink", OK, (f"{where} に入れます", f"{where} lets the hub in"))


def password_of(config: Config, variable: str) -> str | None:
    """Return a password: of the environment, else of hub.env, as the service has it."""
    found = os.environ.get(variable)
    file = config.folder / "hub.env"
    if found is None and file.exists():
        rows = [line.partition("=") for line in file.read_text().splitlines()]
        found = next(
            (value.strip().strip("\"'") for name, _, value in rows if name == variable), None
        )
    return found


def _try_broker(
    hub_id: str, settings: dict[str, Any], password: str | None
) -> tuple[str, tuple[str, str]]:
    """Dial and log in under another name than the hub's; return what failed and its remedy."""
    is_five = settings["version"] == "5"
    answers: list[ReasonCode] = []
    one = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"hinomi-{hub_id}-doctor",
        protocol=mqtt.MQTTv5 if is_five else mqtt.MQTTv311,
    )
    one.on_connect = lambda client, data, flags, code, properties: answers.append(code)
    one.connect_timeout = BROKER_TIMEOUT_S
    if settings["user"]:
        one.username_pw_set(settings["user"], password)
    try:
        one.connect(settings["host"], settings["port"], keepalive=10)
        for _ in range(int(BROKER_TIMEOUT_S / 0.1)):
            if answers or one.loop(timeout=0.1) != mqtt.MQTT_ERR_SUCCESS:
                break
    except OSError as error:
        return error.strerror or str(error), (
            "回線、アドレス、ポート、相手の稼働を確認してください。データはハブに保たれます。",
            "Check line, address, port and that the broker runs; the data stays in the hub.",
        )
    finally:
        one.disconnect()
    if not answers:
        return "no answer from the broker", (
            "相手が MQTT ブローカーか、MQTT の版（uplink.version）が合うか確認してください。",
            "Check that it is an MQTT broker, and uplink.version.",
        )
    if answers[0].is_failure:
        return str(answers[0]), (
            "uplink.user と環境変数 HINOMI_UPLINK_PASSWORD を確認してください。",
            "Check uplink.user and the environment's HINOMI_UPLINK_PASSWORD.",
        )
    return "", ("", "")
