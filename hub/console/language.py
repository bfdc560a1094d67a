"""Which language a visitor gets: what they chose, else what their browser asks for."""

from __future__ import annotations

LANGUAGES = ("ja", "en")
LANGUAGE_DEFAULT = "ja"


def choose_language(query: str | None, cookie: str | None, accept: str) -> str:
    """Return one of LANGUAGES. A choice that is none of them is passed over.

    accept: the Accept-Language header, RFC 9110 section 12.5.4; "" if there is none.
    """
    for choice in (query, cookie, *accepted(accept)):
        if choice in LANGUAGES:
            return choice
    return LANGUAGE_DEFAULT


def accepted(header: str) -> list[str]:
    """Return the primary tags of an Accept-Language header, most wanted first.

    Tags of weight 0 or of unreadable weight are left out.
    """
    weighted = []
    for position, item in enumerate(header.split(",")):
        tag, _, parameter = item.strip().partition(";")
        weight = weight_of(parameter)
        if weight > 0:
            weighted.append((-weight, position, tag.strip().lower().partition("-")[0]))
    return [tag for _, _, tag in sorted(weighted)]


def weight_of(parameter: str) -> float:
    """Return the weight that `q=0.7` gives; 1 without one, 0 if unreadable."""
    name, _, number = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(number) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
