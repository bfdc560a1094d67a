"""CAP documents, read by independent bindings of CAP 1.2 and checked against its rules."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from cap_tools.models import Alert, MsgType, Scope, Status
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.parsers.handlers import XmlEventHandler

from hub.alerts import atom, cap
from hub.alerts.lalert import draft
from hub.alerts.message import Message
from hub.alerts.town import Town
from hub.config import Device
from hub.rules.finding import EMERGENCY, WATCH
from tests.hub.alerts import desk

TABLES: dict[str, Any] = {
    "alerts": {
        "sender": "bousai@town.example", "name_ja": "火の見町", "name_en": "Hinomi Town",
        "contact": "0120-000-000", "municipality": "13999",
    },
    "alert_area": [
        {"place": "river-1", "name_ja": "太田川下流", "name_en": "Lower Ota", "latitude": 34.3963,
         "longitude": 132.4594, "radius_km": 1.5,
         "polygon": "34.1,132.1 34.2,132.1 34.2,132.2 34.1,132.1"},
    ],
    "mode": {"utc_offset_min": 540},
}  # fmt: skip
HOME = Device("home-1", bytes(32), "home", "佐藤さん宅", "Sato's", personal=True)
TOWN = Town(TABLES, {"home-1": HOME, "slope-1": Device("slope-1", bytes(32), "slope", "裏山")})
NAMESPACE = f"{{{cap.NAMESPACE}}}"

# The order and the number of elements of CAP-v1.2, 3.2; ?: at most one, *: any, +: one or more.
ORDER = {
    "alert": "identifier sender sent status msgType source? scope restriction? addresses? code* "
    "note? references? incidents? info*",
    "info": "language? category+ event responseType* urgency severity certainty audience? "
    "eventCode* effective? onset? expires? senderName? headline? description? instruction? web? "
    "contact? parameter* resource* area*",
    "area": "areaDesc polygon* circle* geocode* altitude? ceiling?",
    "eventCode": "valueName value",
    "parameter": "valueName value",
    "geocode": "valueName value",
}
WORDS = {
    "status": "Actual Exercise System Test Draft",
    "msgType": "Alert Update Cancel Ack Error",
    "scope": "Public Restricted Private",
    "category": "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other",
    "responseType": "Shelter Evacuate Prepare Execute Avoid Monitor Assess AllClear None",
    "urgency": "Immediate Expected Future Past Unknown",
    "severity": "Extreme Severe Moderate Minor Unknown",
    "certainty": "Observed Likely Possible Unlikely Unknown",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+09:00")  # the schema's, with our zone


def check_schema(document: bytes, time: re.Pattern[str] = TIME) -> None:
    """Fail where the document is not as CAP-v1.2, 3.2 and its schema want it."""
    root = ElementTree.fromstring(document)
    assert root.tag == NAMESPACE + "alert"
    for element in root.iter():
        name = element.tag.removeprefix(NAMESPACE)
        assert "{" not in name and not element.attrib
        children = "".join(child.tag.removeprefix(NAMESPACE) + " " for child in element)
        if name in ORDER:
            parts = (re.match(r"(\w+)([?*+]?)", one) for one in ORDER[name].split())
            pattern = "".join(f"({part[1]} ){part[2]}" for part in parts if part)
            assert re.fullmatch(pattern, children), f"{name}: {children}"
            continue
        assert not children and element.text, name
        if name in WORDS:
            assert element.text in WORDS[name].split()
        if name in ("sent", "effective", "expires"):
            assert time.fullmatch(element.text)
        if name in ("identifier", "sender"):
            assert not re.search("[ ,<&]", element.text)
        if name == "headline":
            assert len(element.text) <= cap.HEADLINE_MAX


def read(document: bytes) -> Alert:
    """Return what the independent bindings read; they refuse what they do not know."""
    config = ParserConfig(fail_on_unknown_properties=True, fail_on_converter_warnings=True)
    return XmlParser(config, handler=XmlEventHandler).from_bytes(document, Alert)


def all_messages() -> Iterator[Message]:
    """Yield one of each type, status, level and kind of place."""
    for drill in (False, True):
        town = desk.Town()
        town.take(desk.finding(level=WATCH), drill)
        town.take(desk.finding(level=EMERGENCY, text="3.50 m <&> 溢水\x07"), drill)
        town.take(desk.finding("slope-1", kind="slope-wire"), drill)
        town.take(desk.finding("bridge-1", kind="bridge"), drill)
        town.take(desk.finding("home-1", kind="watch-over"), drill)
        town.take(desk.finding("elsewhere", kind="of another version"), drill)
        town.take(desk.over(), drill)
        town.wait(100)
        if not drill:
            event = town.desk.open_events()[0]
            town.desk.cancel(event, "計器の清掃", now_us=town.now_us, utc_us=town.utc_us())
            town.desk.test(("試験", "test"), town.now_us, town.utc_us())
            town.gather()
        yield from town.messages


MESSAGES = list(all_messages())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: f"{one.status}-{one.identifier}")
def test_every_message_is_valid_and_read_alike_by_others(message: Message) -> None:
    document = cap.document(message, TOWN)
    check_schema(document)
    alert = read(document)
    assert (alert.identifier, alert.sender) == (message.identifier, "bousai@town.example")
    assert (alert.status, alert.msg_type) == (Status(message.status), MsgType(message.type))
    assert alert.sent.to_datetime().utcoffset() == timedelta(hours=9)
    assert int(alert.sent.to_datetime().timestamp()) == message.sent_utc_us // 1_000_000
    assert [info.language for info in alert.infos] == ["ja-JP", "en-US"]
    found = [(one.sender, one.identifier, str(one.sent)) for one in alert.references_to_list()]
    assert found == [
        ("bousai@town.example", name, TOWN.time(at)) for name, at in message.references
    ]
    assert document == cap.document(message, TOWN) and b"Z<" not in document
    for info in alert.infos:
        is_clear = [one.value for one in info.response_types] == ["AllClear"]
        assert is_clear == (message.type == "Cancel") == (info.urgency.value == "Past")
        (area,) = info.areas
        assert area.geocodes_to_dict() == {"JISX0402": "13999"}


def test_there_is_one_of_each_kind_to_be_read() -> None:
    assert {one.type for one in MESSAGES} == {"Alert", "Update", "Cancel"}
    assert {one.status for one in MESSAGES} == {"Actual", "Exercise", "Test"}


def document_of(**changes: Any) -> Alert:
    """Return the first message as others read it, with fields changed."""
    fields = {**vars(MESSAGES[0]), **changes}
    return read(cap.document(Message(**fields), TOWN))


def test_areas_are_circle_polygon_and_code() -> None:
    (area,) = document_of(place="river-1").infos[0].areas
    assert (area.area_desc, area.circles) == ("太田川下流", ["34.3963,132.4594 1.5"])
    assert area.polygons == [TABLES["alert_area"][0]["polygon"]]
    (area,) = document_of(place="slope-1").infos[1].areas
    assert (area.area_desc, area.circles, area.polygons) == ("slope-1", [], [])
    assert document_of(place="slope-1").infos[0].areas[0].area_desc == "裏山"


def test_a_home_is_not_named_and_goes_to_the_office_alone() -> None:
    alert = document_of(place="home-1", kind="watch-over")
    assert alert.infos[0].areas[0].area_desc == "火の見町"
    assert (alert.scope, alert.addresses) == (Scope.PRIVATE, "bousai@town.example")
    assert document_of(kind="bridge").scope == Scope.RESTRICTED
    assert document_of(kind="bridge").restriction
    assert document_of(kind="river").scope == Scope.PUBLIC


def test_a_drill_says_so_in_every_text_that_a_person_reads() -> None:
    for text in ("3.10 m", "【訓練】3.10 m"):
        alert = document_of(status="Exercise", text_ja=text)
        ja, en = alert.infos
        for line in (ja.event, ja.headline, ja.description, ja.instruction):
            assert line is not None and line.count("【訓練】") == 1, line
        for line in (en.event, en.headline, en.description, en.instruction):
            assert line is not None and line.startswith("[DRILL] "), line
        assert alert.note and "訓練" in alert.note and "exercise" in alert.note


def test_the_hub_never_tells_people_to_evacuate() -> None:
    for message in MESSAGES:
        for info in read(cap.document(message, TOWN)).infos:
            assert {one.value for one in info.response_types} <= {
                *("Monitor", "Prepare", "Assess", "AllClear")
            }


@pytest.mark.parametrize("offset_min", [-570, 0, 345, 540, 840])
def test_times_are_those_of_the_town_and_never_end_in_z(offset_min: int) -> None:
    town = Town({**TABLES, "mode": {"utc_offset_min": offset_min}}, {})
    message = next(one for one in MESSAGES if one.references)
    document = cap.document(message, town)
    check_schema(document, re.compile(r"[-\dT:]+[+-]\d\d:\d\d"))
    sent = read(document).sent.to_datetime()
    assert sent.utcoffset() == timedelta(minutes=offset_min)
    assert int(sent.timestamp()) == message.sent_utc_us // 1_000_000
    assert town.time(message.references[0][1]) in document.decode()
    for text in (draft(message, town), atom.feed([message], town, "hub-0a", 0).decode()):
        assert town.time(message.sent_utc_us) in text


def test_the_check_itself_refuses_what_is_wrong() -> None:
    good = cap.document(MESSAGES[0], TOWN).decode()
    for before, after in (
        ("+09:00</sent>", "Z</sent>"),
        ("<scope>Public</scope>", ""),
        ("<status>Actual", "<status>actual"),
        ("<severity>Moderate</severity>", ""),
        ("<event>", "<evnt>"),
    ):
        assert before in good
        with pytest.raises((AssertionError, ElementTree.ParseError)):
            check_schema(good.replace(before, after, 1).encode())


# Atom

ATOM = "{http://www.w3.org/2005/Atom}"


def test_the_feed_has_what_rfc_4287_asks_for_and_only_what_is_public() -> None:
    newest = MESSAGES[::-1]
    root = ElementTree.fromstring(atom.feed(newest, TOWN, "hub-0a", 0))
    assert root.tag == ATOM + "feed"
    assert root.findtext(ATOM + "id") and root.findtext(ATOM + "title")
    assert root.findtext(f"{ATOM}author/{ATOM}name")
    entries = root.findall(ATOM + "entry")
    assert len(entries) == sum(one.is_public for one in MESSAGES) < len(MESSAGES)
    names = [entry.findtext(ATOM + "id") for entry in entries]
    assert len(set(names)) == len({one.identifier for one in MESSAGES if one.is_public})
    times = [entry.findtext(ATOM + "updated") or "" for entry in entries]
    assert root.findtext(ATOM + "updated") == times[0] and all(map(TIME.fullmatch, times))
    for entry in entries:
        link = entry.find(ATOM + "link")
        name = (entry.findtext(ATOM + "id") or "").removeprefix("urn:hinomi:")
        assert link is not None and link.attrib == {
            "rel": "alternate", "type": "application/cap+xml", "href": f"/alerts/{name}.xml",
        }  # fmt: skip
        assert entry.findtext(ATOM + "title") and entry.findtext(ATOM + "summary")


def test_an_empty_feed_is_a_feed() -> None:
    root = ElementTree.fromstring(atom.feed([], TOWN, "hub-0a", 0))
    assert root.findtext(ATOM + "updated") == "1970-01-01T09:00:00+09:00"


# The draft


def test_a_draft_says_that_it_is_one_and_leaves_the_decision_open() -> None:
    for message in MESSAGES:
        text = draft(message, TOWN)
        assert text.startswith("下書き") and "接続していません" in text
        assert "市町村長の判断を記入" in text and message.identifier in text
        assert (message.status == "Exercise") == ("【訓練】" in text)
