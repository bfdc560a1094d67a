"""What the hub tells people and platforms: records of kind notice, and the newest on the page.

A notice of something that lasts has a key and a state: begin, change, over. Who reads them knows
by (hub, kind, key, drill) which of them ended which. What began is kept in memory alone: after a
restart of the hub a rule that finds the same again begins it again, under the same key. An end is
always said, also of what no platform has seen begin. What a drill began no rule finds again: that
is kept in the store's meta, so that all of it ends with the drill.

Of what concerns a person the key is a number that nobody can turn back without the hub's secret.
"""

import hmac
import json
from hashlib import sha256
from typing import Any

from hub.live import Live
from hub.modes import Texts
from hub.rules.finding import INFO, LEVEL_NAMES, Finding
from hub.rules.kinds import KINDS
from hub.sender import HubSender
from hub.store import Store
from protocols.limits import TEXT_SIZE_MAX
from protocols.vocabulary import (
    KIND_NOTICE,
    LANE_ALERT,
    NOTICE_BEGIN,
    NOTICE_CHANGE,
    NOTICE_OVER,
)

DRILL_MARK = ("【訓練】", "[DRILL] ")
DRILL_KEY = "notices:drill"  # in meta: kind and key of what a drill has begun, as JSON
OPEN_MAX = 100_000  # of more than these a change is said as a beginning
_END_OF_DRILL = (f"{DRILL_MARK[0]}訓練終了", f"{DRILL_MARK[1]}end of the drill")


class Notices:
    """sender, live: where they go. store: keeps what is of a drill. secret: the hub's."""

    def __init__(self, sender: HubSender, live: Live, store: Store, secret: bytes) -> None:
        self._sender = sender
        self._live = live
        self._store = store
        self._secret = secret
        kept = json.loads(store.meta.get(DRILL_KEY) or "[]")
        # kind, key, drill
        self._open: set[tuple[str, str, bool]] = {(kind, key, True) for kind, key in kept}

    def say(
        self, level: int, kind: str, texts: Texts, *, now_us: int, drill: bool = False,
        **lasting: Any,
    ) -> None:  # fmt: skip
        """Tell what is once so. lasting: key and state of what lasts."""
        self._live.alert(LEVEL_NAMES[level], kind, texts, drill)
        fields = {
            "level": level,
            "drill": drill,
            "kind": kind,
            "text_ja": fitting(texts[0]),
            "text_en": fitting(texts[1]),
            **lasting,
        }
        self._sender.record(KIND_NOTICE, LANE_ALERT, now_us, fields)

    def found(self, finding: Finding, drill: bool, now_us: int) -> None:
        """Tell a finding of a rule; of a person only that there is something."""
        kind = KINDS.get(finding.kind or finding.rule)
        texts, key = (finding.text_ja, finding.text_en), finding.key
        if kind is not None and kind.is_personal:
            marks = DRILL_MARK if drill else ("", "")
            texts = (f"{marks[0]}{kind.event_ja}: 庁舎で確認",
                     f"{marks[1]}{kind.event_en}: see at the office")  # fmt: skip
            key = hmac.digest(self._secret, b"hinomi notice " + key.encode(), sha256)[:8].hex()
        level = INFO if finding.is_over else finding.level
        lasting = {"key": fitting(key), "state": self._state(finding, key, drill)}
        self.say(level, finding.rule, texts, now_us=now_us, drill=drill, **lasting)

    def end_drill(self, now_us: int) -> None:
        """Tell the end of all that the drill has begun and not ended."""
        left = self._of_drill()
        for kind, key in left:
            self._open.discard((kind, key, True))
            lasting = {"key": fitting(key), "state": NOTICE_OVER}
            self.say(INFO, kind, _END_OF_DRILL, now_us=now_us, drill=True, **lasting)
        if left:
            self._save_drill()

    def _of_drill(self) -> list[tuple[str, str]]:
        return sorted((kind, key) for kind, key, drill in self._open if drill)

    def _save_drill(self) -> None:
        self._store.save_meta(DRILL_KEY, json.dumps(self._of_drill(), ensure_ascii=False))

    def _state(self, finding: Finding, key: str, drill: bool) -> int:
        one = (finding.rule, key, drill)
        state: int = NOTICE_CHANGE if one in self._open else NOTICE_BEGIN
        if finding.is_over:
            self._open.discard(one)
            state = NOTICE_OVER
        elif len(self._open) < OPEN_MAX:
            self._open.add(one)
        if drill and state != NOTICE_CHANGE:
            self._save_drill()
        return state


def fitting(text: str) -> str:
    """Return as much of a text as a record takes: whoever says too much is heard all the same."""
    return text.encode()[:TEXT_SIZE_MAX].decode(errors="ignore")
