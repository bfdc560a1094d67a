"""Settings of the warnings: who says them, about which area, to whom, how often."""

from collections.abc import Iterator
from typing import Any

from hub.rules.finding import LEVEL_NAMES
from hub.rules.kinds import KINDS
from hub.rules.problem import Problem
from hub.settings import Row

_LEVELS = LEVEL_NAMES[1:]
_NO_CAP = " ,<&"  # OASIS CAP-v1.2, 3.2.1: not in a sender or an identifier


def _filter_rows(table: str) -> tuple[Row, ...]:
    return (
        Row(table, "level", "watch", "", "The least level that goes there.", choices=_LEVELS),
        Row(table, "restricted", True, "",
            "Also what is for officials only; false: only what the public may see."),
        Row(table, "drills", True, "", "Also drills and tests; each is marked as one."),
        Row(table, "step", 0, "",
            "0: at once; 1 to 3: only when nobody has acknowledged after so many times "
            "alerts.escalate_s.", 0, 3),
    )  # fmt: skip


ROWS = (
    Row("alerts", "sender", "hinomi", "", "Sender of the CAP messages, an address of the town's.",
        1, 100, without=_NO_CAP),
    Row("alerts", "name_ja", "役場", "", "Who warns, in Japanese.", 1, 120),
    Row("alerts", "name_en", "Town office", "", "Who warns, in English.", 1, 120),
    Row("alerts", "contact", "", "", "Telephone or address for questions.", 0, 120),
    Row("alerts", "municipality", "", "",
        "The municipality's code of five digits (JIS X 0402, without the check digit).", 0, 5),
    Row("alerts", "status", "actual", "",
        "test: every message is marked as a test and no siren sounds, while the hub is set up.",
        choices=("actual", "test")),
    Row("alerts", "per_minute", 12, "messages",
        "No more leave in a minute; a quarter of them only for emergencies. The rest waits and "
        "is joined by event; all of it is in the record.", 4, 600),
    Row("alerts", "update_s", 300, "s",
        "An event that has not become worse is updated at most so often.", 10, 86400),
    Row("alerts", "settle_s", 60, "s",
        "So long must an event be over before its end is said.", 0, 3600),
    Row("alerts", "valid_s", 21600, "s",
        "A message is valid for so long; after half of it one that lasts is said again.",
        600, 172800),
    Row("alerts", "escalate_s", 300, "s",
        "So long an alert waits for somebody's acknowledgement, at each step.", 30, 86400),
    Row("alerts", "drafts", True, "",
        "Write a draft for L-Alert to data/drafts, for a person to check and to enter; the hub is "
        "not connected to L-Alert."),
    Row("alerts", "mqtt", True, "", "Publish alerts to the uplinks' brokers as well."),
    Row("alert_area", "place", None, "", "Device or site that it is about.", 1, 64),
    Row("alert_area", "name_ja", None, "", "Name of the area in Japanese.", 1, 240),
    Row("alert_area", "name_en", None, "", "Name of the area in English.", 1, 240),
    Row("alert_area", "latitude", 0.0, "deg", "Of the centre of its circle (WGS 84).", -90, 90),
    Row("alert_area", "longitude", 0.0, "deg", "Of the centre of its circle.", -180, 180),
    Row("alert_area", "radius_km", 0.0, "km", "Of its circle; 0: it has none.", 0, 500),
    Row("alert_area", "polygon", "", "",
        "Its edge: latitude,longitude pairs with spaces between; the last is the first.", 0, 2000),
    Row("webhook", "name", None, "", "Name of the receiver.", 1, 32),
    Row("webhook", "url", None, "", "Address that gets each message as CAP, https://...", 8, 400),
    *_filter_rows("webhook"),
    Row("mail", "name", None, "", "Name of this list of receivers.", 1, 32),
    Row("mail", "host", None, "", "SMTP server.", 1, 200),
    Row("mail", "port", 587, "", "Its port.", 1, 65535),
    Row("mail", "security", "starttls", "", "How the line is encrypted.",
        choices=("starttls", "tls", "none")),
    Row("mail", "user", "", "",
        "SMTP user; empty for none. The password: environment HINOMI_MAIL_PASSWORD.", 0, 200),
    Row("mail", "sender", None, "", "Address that the mail comes from.", 3, 200),
    Row("mail", "receivers", None, "", "Addresses, with commas between.", 3, 2000),
    *_filter_rows("mail"),
    Row("mail", "personal", False, "",
        "Also what concerns one person: only for the office that looks after them."),
    Row("siren", "device", None, "", "Enrolled device that it is wired to.", 1, 16),
    Row("siren", "output", "siren", "", "Name of the output in the device's configuration.",
        1, 32),
    Row("siren", "kinds", "", "",
        "Kinds of finding that it sounds for, with commas; empty: all that are for the public.",
        0, 200),
    Row("siren", "level", "emergency", "", "The least level.", choices=_LEVELS),
    Row("siren", "sound_s", 60, "s", "It sounds so long, then it stops by itself.", 1, 3600),
    Row("siren", "practice", False, "",
        "It may act in a drill: a lamp of the training room, never one that the public hears."),
)  # fmt: skip
LISTS = ("alert_area", "webhook", "mail", "siren")

_SECURE = ("https://", "http://")


def problems(tables: dict[str, Any], devices: set[str]) -> Iterator[Problem]:
    """Say what is wrong with settings that are each allowed. devices: names of those enrolled."""
    code = tables["alerts"]["municipality"]
    if code and not (len(code) == 5 and code.isascii() and code.isdigit()):
        yield Problem("alerts", "municipality", f"is {code!r}", "Write five digits, or nothing.")
    for at, row in enumerate(tables["alert_area"]):
        if row["polygon"] and not is_polygon(row["polygon"]):
            remedy = "Write at least four latitude,longitude pairs, the last as the first."
            yield Problem("alert_area", "polygon", "is no closed edge", remedy, at)
    for table in ("webhook", "mail"):
        names = [row["name"] for row in tables[table]]
        for at, name in enumerate(names):
            if name in names[:at]:
                yield Problem(table, "name", f"{name!r} is used twice", "Give each its own.", at)
    for at, row in enumerate(tables["webhook"]):
        if not row["url"].startswith(_SECURE):
            yield Problem("webhook", "url", f"is {row['url']!r}", "Write https://...", at)
    for at, row in enumerate(tables["mail"]):
        if row["user"] and row["security"] == "none":
            why = "is none, so the password of `user` would be sent in clear"
            yield Problem("mail", "security", why, "Write starttls or tls, or no user.", at)
    for at, row in enumerate(tables["siren"]):
        if row["device"] not in devices:
            why = f"is {row['device']!r}, which is not enrolled"
            yield Problem("siren", "device", why, "Write the name of an enrolled device.", at)
        for kind in kinds_of(row["kinds"]):
            if kind not in KINDS:
                known = ", ".join(KINDS)
                yield Problem("siren", "kinds", f"has {kind!r}", f"Known kinds: {known}.", at)


def kinds_of(text: str) -> list[str]:
    """Return the names in a text with commas between."""
    return [name.strip() for name in text.split(",") if name.strip()]


def is_polygon(text: str) -> bool:
    """Tell whether a text is an edge as CAP-v1.2, 3.2.4, wants it."""
    try:
        pairs = [tuple(map(float, pair.split(","))) for pair in text.split()]
    except ValueError:
        return False
    in_range = all(len(one) == 2 and abs(one[0]) <= 90 and abs(one[1]) <= 180 for one in pairs)
    return in_range and len(pairs) >= 4 and pairs[0] == pairs[-1]
