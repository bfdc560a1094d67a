"""The newest public messages as an Atom feed (RFC 4287), whose entries lead to the CAP documents.

Links are relative to the feed, so that it works under whatever address the town's network gives
the hub, without a name server.
"""

from collections.abc import Iterable

from hub.alerts.cap import MEDIA_TYPE
from hub.alerts.elements import Elements, written
from hub.alerts.message import Message
from hub.alerts.town import Town

NAMESPACE = "http://www.w3.org/2005/Atom"
FEED_TYPE = "application/atom+xml"
PATH = "/alerts.atom"
ENTRIES_MAX = 100

_atom = Elements(NAMESPACE, "atom")
_put = _atom.put


def feed(messages: Iterable[Message], town: Town, name: str, utc_us: int) -> bytes:
    """Return the feed; messages: newest first; those that are not public are left out.

    name: of the hub's messages, the same for ever. utc_us: where there is no message yet.
    """
    shown = [one for one in messages if one.is_public][:ENTRIES_MAX]
    root = _atom.root("feed")
    _put(root, "id", f"urn:hinomi:{name}")
    _put(root, "title", f"{town.name_ja} {town.name_en}")
    _put(root, "updated", town.time(shown[0].sent_utc_us if shown else utc_us))
    _put(_atom.add(root, "author"), "name", town.name_ja)
    _atom.add(root, "link", rel="self", type=FEED_TYPE, href=PATH)
    for message in shown:
        entry = _atom.add(root, "entry")
        _put(entry, "id", f"urn:hinomi:{message.identifier}")
        _put(entry, "title", f"{message.headline_ja()} / {message.headline_en()}")
        _put(entry, "updated", town.time(message.sent_utc_us))
        _put(
            entry,
            "summary",
            f"{message.mark_ja}{message.plain_ja} / {message.mark_en}{message.plain_en}",
        )
        _atom.add(entry, "category", term=message.status)
        href = f"/alerts/{message.identifier}.xml"
        _atom.add(entry, "link", rel="alternate", type=MEDIA_TYPE, href=href)
    return written(root)
