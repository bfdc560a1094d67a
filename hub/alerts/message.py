"""One message of an event, as it goes out; a value that is kept, and is the same for ever."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from hub.rules.kinds import KINDS, Kind

ALERT, UPDATE, CANCEL = "Alert", "Update", "Cancel"
ACTUAL, EXERCISE, TEST = "Actual", "Exercise", "Test"
TEST_KIND = "test"

# A kind that no row names is not for the public, and a person must look.
_UNKNOWN = Kind("警報", "Alert", "Other", False, True)
_TEST = Kind("配信試験", "Test of delivery", "Other", True, False)

Reference = tuple[str, int]  # identifier and time of sending of an earlier message


def kind_of(name: str) -> Kind:
    """Return the row of a kind of finding."""
    return _TEST if name == TEST_KIND else KINDS.get(name, _UNKNOWN)


@dataclass(frozen=True)
class Message:
    """One CAP message before it is written.

    type: Alert, Update, Cancel; status: Actual, Exercise, Test. references: the earlier messages
    of the same event, oldest first. findings: how many findings of the event came so far.
    note: why it is cancelled, where a person did it.
    """

    identifier: str
    sequence: int
    event: int
    type: str
    status: str
    sent_utc_us: int
    expires_utc_us: int
    kind: str
    level: int
    place: str
    text_ja: str
    text_en: str
    values: dict[str, float] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    findings: int = 1
    note: str = ""

    @property
    def is_public(self) -> bool:
        """Whether everybody may see it."""
        return kind_of(self.kind).is_public

    @property
    def is_personal(self) -> bool:
        """Whether it concerns one person: only the office sees it."""
        return kind_of(self.kind).is_personal

    @property
    def is_actual(self) -> bool:
        """Whether it is neither a drill nor a test."""
        return self.status == ACTUAL

    @property
    def mark_ja(self) -> str:
        """What stands before every Japanese text of it."""
        return {ACTUAL: "", EXERCISE: "【訓練】", TEST: "【試験】"}[self.status]

    @property
    def mark_en(self) -> str:
        """What stands before every English text of it."""
        return {ACTUAL: "", EXERCISE: "[DRILL] ", TEST: "[TEST] "}[self.status]

    @property
    def plain_ja(self) -> str:
        """The Japanese text without the mark, which a drill's finding may bring along."""
        return self.text_ja.removeprefix(self.mark_ja)

    @property
    def plain_en(self) -> str:
        """The English text without the mark."""
        return self.text_en.removeprefix(self.mark_en)

    def headline_ja(self) -> str:
        """Return its one line in Japanese."""
        over = "（解除）" if self.type == CANCEL else ""
        return f"{self.mark_ja}{kind_of(self.kind).event_ja}{over}: {self.plain_ja}"

    def headline_en(self) -> str:
        """Return its one line in English."""
        over = " (over)" if self.type == CANCEL else ""
        return f"{self.mark_en}{kind_of(self.kind).event_en}{over}: {self.plain_en}"

    def encode(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def decode(text: str) -> Message:
    """Return the message of encode()."""
    fields: dict[str, Any] = json.loads(text)
    references = tuple((str(one[0]), int(one[1])) for one in fields.pop("references"))
    return Message(**fields, references=references)
