"""What `hinomi hub doctor` finds: one line a check, in Japanese and English, with a remedy."""

import os
from dataclasses import asdict, dataclass
from typing import Any

OK, WARN, FAIL = "ok", "warn", "fail"
MARKS = {OK: ("正常", "ok"), WARN: ("注意", "warn"), FAIL: ("異常", "FAIL")}
Texts = tuple[str, str]  # Japanese, English
NOTHING: Texts = ("", "")


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. remedy: what to do, where it is not ok."""

    check: str
    state: str
    text: Texts
    remedy: Texts = NOTHING

    def lines(self, language: str) -> list[str]:
        """Return what the operator reads in "ja" or "en"."""
        column = int(language == "en")
        mark = MARKS[self.state][column]
        lines = [f"[{mark}] {self.check}: {self.text[column]}"]
        return lines + ([f"    → {self.remedy[column]}"] if self.remedy[column] else [])

    def row(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        row = asdict(self)
        for name in ("text", "remedy"):
            row[f"{name}_ja"], row[f"{name}_en"] = row.pop(name)
        return row


def language_of(asked: str) -> str:
    """Return "ja" or "en": as asked, else that of the terminal's locale."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG")
    return asked or ("ja" if (locale or "").startswith("ja") else "en")
