"""`hinomi hub alerts`: what was warned of, who has seen it, and taking it back.

The commands write a request beside the running hub, which carries it out, audits it and answers.
Who may write the hub's data folder may do so; on the page, operators who have logged in.
"""

import getpass
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from hub import config as configuration
from hub.alerts import outbox
from hub.alerts.message import kind_of
from hub.alerts.webhook import key_of
from hub.clock import HostClock
from hub.commands import DEFAULT, CommandError, ConfigPath, app
from hub.local_time import shown
from hub.rules.finding import LEVEL_NAMES

alerts = typer.Typer(
    help="Warnings: list, acknowledge, cancel, test. / 警報の一覧、確認、取消、試験",
    no_args_is_help=True,
)
app.add_typer(alerts, name="alerts")

ANSWER_S_MAX = 5.0
LISTED_MAX = 1000
REASON_SIZE_MAX = 200

By = Annotated[str, typer.Option(help="Who does it; by default the user of this terminal.")]


@alerts.command("list", epilog="Example: hinomi hub alerts list --json | jq '.[] | .state'")
def list_alerts(
    config: ConfigPath = DEFAULT,
    count: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="So many, the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List events with who has acknowledged and where they went; open ones first."""
    try:
        loaded = configuration.load(config)
        path = loaded.data / outbox.FILE_NAME
        found = [_unnamed(one) for one in outbox.listed(path, count)]
    except outbox.OutboxError as error:
        raise CommandError(f"{error}.", _REMEDY) from None
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    offset_min = loaded.tables["mode"]["utc_offset_min"]
    for one in found:
        typer.echo("\n".join(_lines(one, offset_min)))
    typer.echo(f"{len(found)} events")


def _unnamed(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without whom it concerns: that is seen with a ground, and audited."""
    if not kind_of(event["kind"]).is_personal:
        return event
    texts = {
        "text_ja": "内容は hinomi hub people cases で閲覧",
        "text_en": "see `hub people cases`",
    }
    return {**event, **texts, "key": "", "place": "", "values": {}}


def _lines(event: dict[str, Any], offset_min: int) -> list[str]:
    kind = kind_of(event["kind"])
    seen = event["acknowledged_by"] or ("未確認 / nobody yet" if kind.needs_ack else "-")
    done = sum(one["state"] == outbox.DONE for one in event["deliveries"])
    drill = "訓練 drill " if event["drill"] else ""
    head = (f"{event['id']}", drill + event["state"], LEVEL_NAMES[event["level"]],
            shown(event["started_utc_us"], offset_min), f"確認 ack: {seen}",
            f"送信 sent: {done}/{len(event['deliveries'])}")  # fmt: skip
    return [
        "  ".join(head),
        f"    {kind.event_ja}: {event['text_ja']}",
        f"    {kind.event_en}: {event['text_en']}",
    ]


@alerts.command(epilog="Example: hinomi hub alerts ack 12 --by Sato")
def ack(
    event: Annotated[int, typer.Argument(min=1, help="Number of the event.")],
    config: ConfigPath = DEFAULT,
    by: By = "",
    note: Annotated[str, typer.Option(help="What is done about it; for the audit log.")] = "",
) -> None:
    """Acknowledge an alert: you have seen it and see to it. It is escalated no further."""
    if len(note.encode()) > REASON_SIZE_MAX or not note.isprintable():
        raise typer.BadParameter("Write one short line.", param_hint="--note")
    _say(_asked(config, outbox.ACK, by, event=event, reason=note), "acknowledged")


@alerts.command(epilog="Example: hinomi hub alerts cancel 12 --reason 'gauge was cleaned'")
def cancel(
    event: Annotated[int, typer.Argument(min=1, help="Number of the event.")],
    reason: Annotated[str, typer.Option(help="Why; it goes out with the cancellation.")],
    config: ConfigPath = DEFAULT,
    by: By = "",
) -> None:
    """Take an alert back everywhere it went, and silence its sirens."""
    if not reason.strip() or len(reason.encode()) > REASON_SIZE_MAX or not reason.isprintable():
        raise typer.BadParameter("Write one short line.", param_hint="--reason")
    _say(_asked(config, outbox.CANCEL, by, event=event, reason=reason), "cancelled")


@alerts.command(epilog="Example: hinomi hub alerts test --by Sato")
def test(config: ConfigPath = DEFAULT, by: By = "") -> None:
    """Send a message marked as a test to every channel; no siren sounds."""
    typer.echo(f"Sent as {_asked(config, outbox.TEST, by)}; what fails is in the hub's log.")


@alerts.command(epilog="Example: hinomi hub alerts key prefecture")
def key(
    name: Annotated[str, typer.Argument(help="Name of a [[webhook]].")],
    config: ConfigPath = DEFAULT,
) -> None:
    """Print the key with which a webhook's receiver checks signatures."""
    loaded = configuration.load(config)
    names = [row["name"] for row in loaded.tables["webhook"]]
    if name not in names:
        known = ", ".join(names) or "none"
        raise CommandError(f"There is no [[webhook]] {name!r}.", f"Known: {known}.")
    typer.echo(key_of(loaded.secret, name))


_REMEDY = "Start the hub once with `hinomi hub run`, or name its hub.toml with --config."


def _path(config: Path) -> Path:
    return configuration.load(config).data / outbox.FILE_NAME


def _asked(config: Path, verb: str, by: str, **more: Any) -> str:
    """Ask the hub and return its answer."""
    path, actor = _path(config), f"person:{by or getpass.getuser()}"
    if len(actor.encode()) > REASON_SIZE_MAX or not actor.isprintable():
        raise typer.BadParameter("Write a name.", param_hint="--by")
    try:
        number = outbox.ask(path, verb, actor, at_utc_us=HostClock().utc_us(), **more)
        until_s = time.monotonic() + ANSWER_S_MAX
        while time.monotonic() < until_s:
            answer = outbox.outcome(path, number)
            if answer:
                return answer
            time.sleep(0.1)
    except outbox.OutboxError as error:
        raise CommandError(f"{error}.", _REMEDY) from None
    cause = f"The hub has not answered within {ANSWER_S_MAX:.0f} s."
    raise CommandError(cause, "It does it as soon as it runs: start it with `hinomi hub run`.")


def _say(answer: str, wanted: str) -> None:
    if answer != wanted:
        remedy = "`hinomi hub alerts list` shows the numbers and states."
        raise CommandError(f"Not done: {answer}.", remedy)
    typer.echo(f"{answer}.")
