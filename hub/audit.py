"""What the running hub writes into the ledger: losses that devices name, changes, its own head.

Settings are compared with a copy of their values in `meta` at each start, so that a change is
found whoever made it with whatever editor. Of a secret only a digest is kept and shown.
"""

import json
from hashlib import sha256
from typing import Any

from hub.clock import Clock
from hub.config import Config
from hub.ledger import Entry, Head, LedgerError, audit, gap, read_head_file
from hub.modes import Change
from hub.sender import HubSender
from hub.store import Store
from protocols.errors import RemoteProtocolError
from protocols.records import decode_record
from protocols.vocabulary import KIND_NOTICE, LANE_STATE, MODE_NAMES

CONFIG_KEY = "config"  # in meta: the values of the last start, as JSON
HEAD_INTERVAL_US = 600_000_000  # the platform learns the ledger's head so often, when it changed


class Audit:
    """Writes entries beside the data; what it writes is durable with the next commit."""

    def __init__(self, store: Store, sender: HubSender, clock: Clock) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._sent: Head | None = None
        self._due_us = clock.now_us()

    def note(self, *entries: Entry) -> None:
        """Take entries into the commit that comes next."""
        if entries:
            self._store.group.ledger += entries
            self._store.flush()

    def started(self, config: Config) -> None:
        """Note which settings and devices are not as at the last start."""
        now, before = values_of(config), self._store.meta.get(CONFIG_KEY)
        if before is None:
            self.note(audit(self._clock.utc_us(), "hub.toml", "start", what="first start"))
        else:
            self.note(*self._changes(json.loads(before), now))
        text = json.dumps(now, ensure_ascii=False, sort_keys=True)
        if text != before:
            self._store.save_meta(CONFIG_KEY, text)

    def _changes(self, before: dict[str, Any], after: dict[str, Any]) -> list[Entry]:
        utc_us = self._clock.utc_us()
        return [
            audit(utc_us, "hub.toml", "start", what=name,
                  before=before.get(name, "-"), after=after.get(name, "-"))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]  # fmt: skip

    def mode(self, change: Change) -> None:
        """Note a change of mode, before it is kept."""
        meta = self._store.meta
        before = _mode_words(int(meta.get("mode", 0)), bool(meta.get("drill", 0)))
        after = _mode_words(change.mode, change.drill)
        what = f"mode: {change.reason}"
        utc_us = self._clock.utc_us()
        self.note(audit(utc_us, change.actor, "mode", what=what, before=before, after=after))

    def device_gap(self, payload: bytes) -> None:
        """Note the loss that a device's gap record names; nothing where it names none."""
        try:
            fields = decode_record(payload)[-1]
        except RemoteProtocolError:
            return
        extent = (fields["boot"], fields["first"], fields["next"])
        span = f"{fields['channel']} {fields['from_us']}..{fields['until_us']} us"
        detail = span if fields["channel"] else ""
        self.note(gap(self._clock.utc_us(), fields["device"], extent,
                      lane=fields["lane"], reason=fields["reason"], detail=detail))  # fmt: skip

    def tick(self) -> None:
        """Tell the platform the ledger's head where it is due: it then holds what is before."""
        now_us = self._clock.now_us()
        if now_us < self._due_us:
            return
        self._due_us = now_us + HEAD_INTERVAL_US
        try:
            head = read_head_file(self._store.path.parent)
        except (LedgerError, OSError):
            return  # `hinomi hub verify` says why
        if head is not None and head != self._sent:
            self._sent = head
            texts = {"text_ja": f"台帳の末尾 {head}", "text_en": f"head of the ledger {head}"}
            fields = {"level": 0, "drill": False, "kind": "ledger", **texts}
            self._sender.record(KIND_NOTICE, LANE_STATE, now_us, fields)


def values_of(config: Config) -> dict[str, Any]:
    """Return every setting and device by its full name; of secrets the start of a digest."""
    values = _flat("", config.tables) | _flat("uplink.", list(config.uplinks))
    for device in config.devices.values():
        row = {**vars(device), "secret": _digest(device.secret)}
        values |= {f"device.{device.name}.{name}": value for name, value in row.items()}
    return {**values, "hub.secret": _digest(config.secret)}


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """Return full name -> value; a table of a list goes by its own name, else by its place."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
        pairs = [(str(one.get("name", at)), one) for at, one in enumerate(value)]
    else:
        return {prefix.removesuffix("."): value}
    return {
        name: one for key, below in pairs for name, one in _flat(f"{prefix}{key}.", below).items()
    }


def _mode_words(mode: int, drill: bool) -> str:
    return MODE_NAMES[mode] + (" drill" if drill else "")


def _digest(secret: bytes) -> str:
    return "sha256 " + sha256(b"hinomi audit" + secret).hexdigest()[:16]
