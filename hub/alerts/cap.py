"""Message -> CAP 1.2 (OASIS Standard CAP-v1.2, 1 July 2010; ITU-T X.1303 bis).

Order of elements and words are those of its section 3. One info block in Japanese, one in English.
The hub warns and never orders: the response is at most `Prepare`, evacuation is a person's.
"""

from xml.etree.ElementTree import Element

from hub.alerts.elements import Elements, written
from hub.alerts.message import CANCEL, EXERCISE, TEST, UPDATE, Message, kind_of
from hub.alerts.town import Area, Town
from hub.rules.finding import EMERGENCY, INFO, WARNING, WATCH

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
HEADLINE_MAX = 160  # characters (3.2.2: keep it to that of a short message)
GEOCODE = "JISX0402"  # municipality, five digits

# level -> severity, urgency, response (3.2.2).
_OF_LEVEL = {
    INFO: ("Minor", "Future", "Monitor"),
    WATCH: ("Moderate", "Expected", "Monitor"),
    WARNING: ("Severe", "Immediate", "Prepare"),
    EMERGENCY: ("Extreme", "Immediate", "Prepare"),
}
_LIKELY = ("river-forecast",)  # kinds that are not yet so: certainty Likely
_NOTES = {EXERCISE: "これは訓練です。 / This is an exercise.",
          TEST: "これは配信試験です。 / This is a test of delivery."}  # fmt: skip
_RESTRICTION = "防災担当者限り / officials in charge only"
_INSTRUCTION_JA = "避難の判断は市町村の発表に従ってください。"
_INSTRUCTION_EN = "Follow the evacuation information of the municipality."

_cap = Elements(NAMESPACE)
_put = _cap.put


def document(message: Message, town: Town) -> bytes:
    """Return the message as an XML document in UTF-8, the same bytes each time."""
    alert = _cap.root("alert")
    _put(alert, "identifier", message.identifier)
    _put(alert, "sender", town.sender)
    _put(alert, "sent", town.time(message.sent_utc_us))
    _put(alert, "status", message.status)
    _put(alert, "msgType", message.type)
    if message.is_public:
        _put(alert, "scope", "Public")
    elif message.is_personal:
        _put(alert, "scope", "Private")
        _put(alert, "addresses", town.sender)
    else:
        _put(alert, "scope", "Restricted")
        _put(alert, "restriction", _RESTRICTION)
    notes = [_NOTES.get(message.status, ""), message.note]
    if any(notes):
        _put(alert, "note", " ".join(filter(None, notes)))
    if message.references:
        _put(alert, "references", references(message, town))
    if message.event:
        first = message.references[0][0] if message.references else message.identifier
        # Of the first message: after a restore from a backup identifiers begin otherwise.
        _put(alert, "incidents", f"{first.rpartition('-')[0]}-e{message.event}")
    area = town.area(message.place)
    _info(alert, message, town, area, is_ja=True)
    _info(alert, message, town, area, is_ja=False)
    return written(alert)


def references(message: Message, town: Town) -> str:
    """Return sender,identifier,sent of the earlier messages (3.2.1)."""
    return " ".join(f"{town.sender},{name},{town.time(sent)}" for name, sent in message.references)


def _info(alert: Element, message: Message, town: Town, area: Area, *, is_ja: bool) -> None:
    kind = kind_of(message.kind)
    severity, urgency, response = _OF_LEVEL[message.level]
    is_over = message.type == CANCEL
    headline = message.headline_ja() if is_ja else message.headline_en()
    text = message.plain_ja if is_ja else message.plain_en
    mark = message.mark_ja if is_ja else message.mark_en
    info = _cap.add(alert, "info")
    _put(info, "language", "ja-JP" if is_ja else "en-US")
    _put(info, "category", kind.category)
    _put(info, "event", mark + (kind.event_ja if is_ja else kind.event_en))
    _put(info, "responseType", "AllClear" if is_over else response if kind.is_public else "Assess")
    _put(info, "urgency", "Past" if is_over else urgency)
    _put(info, "severity", severity)
    _put(info, "certainty", "Likely" if message.kind in _LIKELY else "Observed")
    _pair(info, "eventCode", "hinomi:kind", message.kind)
    _put(info, "effective", town.time(message.sent_utc_us))
    _put(info, "expires", town.time(message.expires_utc_us))
    _put(info, "senderName", town.name_ja if is_ja else town.name_en)
    _put(info, "headline", headline[:HEADLINE_MAX])
    _put(info, "description", mark + text)
    if kind.is_public and not is_over:
        _put(info, "instruction", mark + (_INSTRUCTION_JA if is_ja else _INSTRUCTION_EN))
    if town.contact:
        _put(info, "contact", town.contact)
    for name, value in sorted(message.values.items()):
        _pair(info, "parameter", name, f"{value:.6g}")
    if message.type == UPDATE:
        _pair(info, "parameter", "findings", str(message.findings))
    _area(info, area, town.code, is_ja=is_ja)


def _area(info: Element, area: Area, code: str, *, is_ja: bool) -> None:
    element = _cap.add(info, "area")
    _put(element, "areaDesc", area.name_ja if is_ja else area.name_en)
    if area.polygon:
        _put(element, "polygon", area.polygon)
    if area.circle:
        _put(element, "circle", area.circle)
    if code:
        _pair(element, "geocode", GEOCODE, code)


def _pair(parent: Element, name: str, key: str, value: str) -> None:
    pair = _cap.add(parent, name)
    _put(pair, "valueName", key)
    _put(pair, "value", value)
