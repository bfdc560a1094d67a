"""Templates in the visitor's language, which the page remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from hub.console.language import choose_language

TEMPLATES = Jinja2Templates(Path(__file__).parent / "templates")
LANGUAGE_COOKIE = "hinomi_lang"
LANGUAGE_COOKIE_AGE_S = 365 * 86_400


def language_of(request: Request) -> str:
    """Return "ja" or "en": what the visitor chose now or before, else what the browser wants."""
    asked = request.query_params.get("lang")
    cookie = request.cookies.get(LANGUAGE_COOKIE)
    return choose_language(asked, cookie, request.headers.get("accept-language", ""))


def rendered(
    request: Request, template: str, context: dict[str, Any], *, status: int = 200
) -> Response:
    """Return a template filled in; a language that was asked for is remembered."""
    language = language_of(request)
    whole = {"language": language, **context}
    response = TEMPLATES.TemplateResponse(request, template, whole, status_code=status)
    response.headers["vary"] = "accept-language, cookie"
    if request.query_params.get("lang") == language:
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=LANGUAGE_COOKIE_AGE_S, samesite="lax"
        )
    return response
