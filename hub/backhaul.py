"""The line to the outside as an input: cut for long, it asks for a mode.

Only uplinks whose platform must have everything count, and only when all of them are cut at once.
A hub without any has no line that could be cut.
"""

from typing import Any

from hub.rules.finding import WATCH, Finding
from hub.settings import Row
from protocols.vocabulary import MODE_NAMES, MODE_NORMAL

ROWS = (
    Row("mode", "backhaul_s", 600, "s",
        "All required uplinks cut for so long ask for a mode; 0: never.", 0, 604800),
    Row("mode", "backhaul_mode", "watch", "",
        "The mode that this asks for; normal: only people are told.", choices=MODE_NAMES[:2]),
)  # fmt: skip

RULE, KEY = "backhaul", "line"


class Backhaul:
    """settings: the table [mode]."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._limit_us = int(settings["backhaul_s"]) * 1_000_000
        self._mode = MODE_NAMES.index(settings["backhaul_mode"])
        self._cut_us: int | None = None
        self.is_cut = False
        self._was_cut = False

    def stand(self) -> None:
        """Take that an earlier run has said so: its end is said once a line is up."""
        self._was_cut = True

    def tick(self, now_us: int, are_up: list[bool]) -> list[Finding]:
        """Return what is new. are_up: of each required uplink."""
        if not are_up or any(are_up) or not self._limit_us:
            self._cut_us = None
            if self.is_cut or self._was_cut:
                self.is_cut = self._was_cut = False
                return [self._finding(MODE_NORMAL, "外部回線が復旧", "outside line is back", True)]
            return []
        if self._cut_us is None:
            self._cut_us = now_us
        if self.is_cut or now_us - self._cut_us < self._limit_us:
            return []
        self.is_cut = True
        seconds = self._limit_us // 1_000_000
        text_ja = f"外部回線が {seconds} 秒以上 切れています"
        text_en = f"the outside line has been cut for {seconds} s"
        return [self._finding(self._mode, text_ja, text_en, False)]

    def _finding(self, mode: int, text_ja: str, text_en: str, is_over: bool) -> Finding:
        return Finding(RULE, KEY, WATCH, mode, text_ja, text_en, is_over, kind=RULE)
