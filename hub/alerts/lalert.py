"""A draft for L-Alert: a text file that a person checks and enters at the official terminal.

The hub is not connected to L-Alert and does not say so. A draft has the fields that an entry asks
for; what is a person's to decide (evacuation, the order's level) is left open on purpose.
"""

import asyncio
import os
from pathlib import Path

from hub.alerts.channel import Filter, SendError
from hub.alerts.message import CANCEL, UPDATE, Message, kind_of
from hub.alerts.town import Town
from hub.rules.finding import WARNING

FOLDER = "drafts"
_TYPES = {UPDATE: "更新 / update", CANCEL: "取消・解除 / cancel"}
_NOTICE = (
    "下書き（人が確認して正規の端末から入力するもの）。L アラートには接続していません。\n"
    "DRAFT, to be checked and entered by a person. Not connected to L-Alert.\n"
)


class Drafts:
    """Writes data/drafts/<identifier>.txt for what the public may see, from warnings on."""

    def __init__(self, folder: Path, town: Town) -> None:
        self.name = "lalert-draft"
        self.filter = Filter(WARNING, restricted=False)
        self._folder = folder / FOLDER
        self._town = town

    async def send(self, message: Message) -> None:
        """Write the file, whole and synced."""
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            raise SendError(f"{self._folder}: {error.strerror}") from None

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, message: Message) -> None:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{message.status.lower()}-{message.identifier}.txt"
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.write(draft(message, self._town))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def draft(message: Message, town: Town) -> str:
    """Return the text of a draft."""
    area = town.area(message.place)
    rows = (
        ("区分 / status", f"{message.mark_ja}{message.status}"),
        ("種別 / type", _TYPES.get(message.type, "新規 / new")),
        ("発信団体 / organisation", f"{town.name_ja} ({town.code or '市町村コード未設定'})"),
        ("発表日時 / issued", town.time(message.sent_utc_us)),
        ("有効期限 / expires", town.time(message.expires_utc_us)),
        ("情報名 / subject", f"{message.mark_ja}{kind_of(message.kind).event_ja}"),
        ("対象地域 / area", area.name_ja),
        ("見出し / headline", message.headline_ja()),
        ("本文 / text", f"{message.mark_ja}{message.plain_ja}"),
        ("英文 / English", message.headline_en()),
        ("問合せ先 / contact", town.contact or "（記入）"),
        ("避難情報 / evacuation", "（市町村長の判断を記入 / to be decided by a person）"),
        ("前報 / refers to", ", ".join(name for name, _ in message.references) or "-"),
    )
    body = "\n".join(f"{name}: {value}" for name, value in rows)
    return f"{_NOTICE}\n{body}\n\n{message.identifier}\n{_NOTICE}"
