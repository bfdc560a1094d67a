"""The operators' desk: who has logged in acknowledges, sets the mode, enters how people are.

    /desk           login, else alerts and mode          /desk/people   cases and safety list
    /desk/login, /desk/logout, /desk/do                  /desk/state    is what is shown still so

It does nothing of its own: each form is a command of hub.admin, carried out by the same handlers
as from the command line, with `person:<name>@desk` as the actor. A form counts only from the page
itself (hub.console.guard) and with the token of its session. The rest of the page asks nobody who
he is and stays read only.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.admin import AdminError, Handler
from hub.console.desk_texts import DESK_TEXTS, desk_texts_in, refusal
from hub.console.desk_view import desk_context, people_context, stamp_of
from hub.console.forms import FORMS, PEOPLE, FormError, Values
from hub.console.guard import is_own_host, is_own_origin, may_log_in, own_names
from hub.console.limits import (
    FORM_FIELDS_MAX,
    FORM_SIZE_MAX,
    FORM_TIMEOUT_S,
    LOGINS_WAITING_MAX,
    SAFETY_ROWS_MAX,
)
from hub.console.sessions import MINUTE_US, Session, Sessions, Tries
from hub.console.view import language_of, rendered
from hub.operators import NAME_SIZE_MAX, WATCH_OVER, Operator, Operators, fits, plain

log = logging.getLogger(__name__)

COOKIE = "hinomi_desk"
HEADERS = {
    # As of the page, but for forms, which go to the hub itself.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    # With no-referrer a browser sends a form with `Origin: null` (Fetch, 3.2).
    "referrer-policy": "same-origin",
}

CarryOut = Callable[[str, dict[str, Any], str], Awaitable[dict[str, Any]]]


class Now(Protocol):
    """The hub's clock, as far as the desk needs it."""

    def now_us(self) -> int:
        """Return the monotonic clock."""


class ForgedError(Exception):
    """A form was not sent by this page; str() is a key of DESK_TEXTS."""


async def show_forged(request: Request, error: Exception) -> Response:
    """Say so, with a way back to the desk."""
    texts = desk_texts_in(language_of(request))
    context = {"text": texts, "why": texts[str(error)], "has_form": False}
    response = rendered(request, "login.html", context, status=403)
    response.headers.update(HEADERS)
    return response


class Desk:
    """row: the table `console`; carry_out: of hub.admin.

    offset_min: local time, east of UTC. note(actor, command, what, after): writes into the ledger.
    """

    def __init__(
        self,
        row: dict[str, Any],
        operators: Operators,
        carry_out: CarryOut,
        *,
        clock: Now,
        offset_min: int,
        note: Callable[[str, str, str, str], None],
        draw: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._row = row
        self._operators = operators
        self._carry_out = carry_out
        self._now_us = clock.now_us
        self._offset_min = offset_min
        self._note = note
        idle_us, whole_us = row["idle_min"] * MINUTE_US, row["session_h"] * 60 * MINUTE_US
        self._sessions = Sessions(idle_us, whole_us, draw)
        self._tries = Tries(row)
        self._names = own_names(row["names"])
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._waiting_count = 0
        self._counts = {"forged": 0, "busy": 0}

    def routes(self) -> list[Route]:
        """Return the desk's routes."""
        return [
            Route("/desk", self.desk),
            Route(PEOPLE, self.people),
            Route("/desk/state", self.state),
            Route("/desk/login", self.log_in, methods=["POST"]),
            Route("/desk/logout", self.log_out, methods=["POST"]),
            Route(PEOPLE, self.look, methods=["POST"]),
            Route("/desk/do", self.do, methods=["POST"]),
        ]

    def handlers(self) -> dict[str, Handler]:
        """Return what hub.admin can do with the desk."""

        def unlock(fields: dict[str, Any], actor: str) -> dict[str, Any]:
            name = plain(str(fields.get("name", "")))
            self._operators.refresh()
            if self._operators.find(name) is None:
                raise AdminError(f"There is no operator {name}", "See `hinomi hub operator list`.")
            self._note(actor, "operator unlock", name, "")
            return {"was_locked": self._tries.unlock(name)}

        return {"operator unlock": unlock}

    def statistics(self) -> dict[str, int]:
        """Return the sessions of now, and what was refused since the start."""
        open_count = self._sessions.count(self._now_us())
        return {"sessions": open_count, **self._tries.counts, **self._counts}

    def close(self) -> None:
        """End the thread of passwords."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # Views

    async def desk(self, request: Request) -> Response:
        """The login, or the desk of who has logged in."""
        session, who = self._who(request, is_used="quiet" not in request.query_params)
        if session is None or who is None:
            return self._login(request, "over" if COOKIE in request.cookies else "")
        alerts, mode = await self._shown(who)
        context = desk_context(alerts, mode, who, offset_min=self._offset_min)
        return self._page(request, "desk.html", session, {"who": who, **context})

    async def people(self, request: Request) -> Response:
        """What is known of people, for who has given a ground; each view is in the ledger."""
        session, who = self._who(request)
        if session is None or who is None:
            return RedirectResponse("/desk", 303)
        if not who.may(WATCH_OVER):
            return self._back(session, "/desk", (False, *DESK_TEXTS["not_allowed"]))
        context: dict[str, Any] = {"cases": [], "safety": None, "refusals": []}
        if session.ground:
            view = {"viewer": who.viewer, "ground": session.ground}
            wanted = {"find": session.wanted, "rows_max": SAFETY_ROWS_MAX}
            cases = await self._ask("people cases", view, who)
            listed = await self._ask("safety list", {**view, **wanted}, who)
            context = people_context(cases, listed, offset_min=self._offset_min)
        alerts, mode = await self._shown(who)
        shown = {"who": who, "mode": mode, "stamp": stamp_of(alerts, mode), **context}
        return self._page(request, "people.html", session, shown)

    async def state(self, request: Request) -> Response:
        """A word that changes with what the desk shows; asking is no use of the session."""
        session, who = self._who(request, is_used=False)
        if session is None or who is None:
            raise HTTPException(401, "log in at /desk")
        return JSONResponse({"stamp": stamp_of(*await self._shown(who))}, headers=HEADERS)

    async def _shown(self, who: Operator) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the open alerts and the mode; 503 where the hub cannot say."""
        alerts = await self._ask("alerts open", {}, who)
        mode = await self._ask("mode show", {}, who)
        if "done" not in alerts or "done" not in mode:
            raise HTTPException(503, "the hub's state could not be read; see the hub's log")
        return alerts["done"], mode["done"]

    def _page(
        self, request: Request, template: str, session: Session, context: dict[str, Any]
    ) -> Response:
        language = language_of(request)
        notice, draft = session.notice, session.draft
        session.notice, session.draft = None, {}
        shown = {"text": desk_texts_in(language), "session": session, "draft": draft,
                 "notice": notice and (notice[0], notice[1 + (language == "en")])}  # fmt: skip
        response = rendered(request, template, {**shown, **context})
        response.headers.update(HEADERS)
        return response

    def _login(self, request: Request, why: str = "", status: int = 200, **more: Any) -> Response:
        texts = desk_texts_in(language_of(request))
        self._operators.refresh()
        if not is_own_host(request.headers.get("host", ""), self._names):
            why = "not_our_name"
        elif not self._may_log_in(request):
            why = "not_here"
        elif self._operators.is_empty():
            why = "nobody"
        word = texts[why].replace("{}", str(self._row["lock_min"])) if why else ""
        has_form = why not in ("not_our_name", "not_here", "nobody")
        context = {"text": texts, "why": word, "has_form": has_form, "name": "", **more}
        response = rendered(request, "login.html", context, status=status)
        response.headers.update(HEADERS)
        if COOKIE in request.cookies:
            response.delete_cookie(COOKIE, path="/desk")
        return response

    # Login

    async def log_in(self, request: Request) -> Response:
        """Begin a session; 403 wrong or not from here, 429 too often, 503 too many at once."""
        values = await self._form(request)
        if not self._may_log_in(request):
            return self._login(request, status=403)
        name, now_us = plain(values.get("name", "")), self._now_us()
        if len(name.encode()) > NAME_SIZE_MAX:
            name = ""
        address = _address_of(request)
        if self._waiting_count >= LOGINS_WAITING_MAX:
            self._counts["busy"] += 1
            return self._login(request, "busy", 503, name=name)
        refused = self._tries.admit(address, name, now_us)
        if refused:
            return self._login(request, refused, 429, name=name)
        self._operators.refresh()
        who = self._operators.find(name)
        if not await self._fits(who, values.get("password", "")) or who is None:
            is_locked = self._tries.failed(address, name)
            # A password typed into the field of the name must not get into a log.
            log.warning("a wrong password from %s%s", address, " (locked)" if is_locked else "",
                        extra={"event": "login"})  # fmt: skip
            if is_locked and who is not None:
                self._note(f"person:{who.name}@desk", "login locked", address, "")
            return self._login(request, "locked" if is_locked else "wrong", 403, name=name)
        self._tries.succeeded(address, name)
        return self._admitted(request, who, address)

    def _admitted(self, request: Request, who: Operator, address: str) -> Response:
        self._sessions.end(request.cookies.get(COOKIE, ""))
        self._note(f"person:{who.name}@desk", "login", address, who.role)
        response = RedirectResponse("/desk", 303)
        secret = self._sessions.begin(who, self._now_us())
        is_secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, secret, path="/desk", httponly=True, samesite="strict", secure=is_secure
        )
        return response

    async def _fits(self, who: Operator | None, password: str) -> bool:
        self._waiting_count += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, fits, who, password)
        finally:
            self._waiting_count -= 1

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        session, who, _ = await self._sent(request)
        if session is not None and who is not None:
            self._note(f"person:{who.name}@desk", "logout", _address_of(request), "")
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/desk", 303)
        response.delete_cookie(COOKIE, path="/desk")
        return response

    def _may_log_in(self, request: Request) -> bool:
        return may_log_in(self._row["login"], request.url.scheme, _address_of(request))

    # Forms

    async def do(self, request: Request) -> Response:
        """Carry out one form."""
        session, who, values = await self._sent(request)
        if session is None or who is None:
            return RedirectResponse("/desk", 303)
        form = FORMS.get(values.get("form", ""))
        if form is None:
            raise HTTPException(400, "there is no such form")
        if not who.may(form.level):
            return self._back(session, "/desk", (False, *DESK_TEXTS["not_allowed"]))
        try:
            fields = form.read(values, who)
        except FormError as error:
            session.draft = values
            return self._back(session, form.back, (False, *DESK_TEXTS[str(error)]))
        answer = await self._ask(form.command, fields, who)
        if "error" in answer:
            session.draft = values
            told = refusal(answer["error"], answer["remedy"])
            return self._back(session, form.back, (False, *told))
        return self._back(session, form.back, (True, *DESK_TEXTS[form.done]))

    async def look(self, request: Request) -> Response:
        """Take the ground on which somebody looks at what is known of people; empty ends it."""
        session, who, values = await self._sent(request)
        if session is None or who is None or not who.may(WATCH_OVER):
            return RedirectResponse("/desk", 303)
        ground = values.get("ground", session.ground).strip()
        session.wanted = values.get("wanted", "").strip()[:50]
        session.ground = ground if len(ground) <= 200 and ground.isprintable() else ""
        if not session.ground and "leave" not in values:
            return self._back(session, PEOPLE, (False, *DESK_TEXTS["bad_ground"]))
        return RedirectResponse(PEOPLE if session.ground else "/desk", 303)

    def _back(self, session: Session, path: str, notice: tuple[bool, str, str]) -> Response:
        session.notice = notice
        return RedirectResponse(path, 303)

    async def _ask(self, command: str, fields: dict[str, Any], who: Operator) -> dict[str, Any]:
        return await self._carry_out(command, dict(fields), f"person:{who.name}@desk")

    # Who

    def _who(
        self, request: Request, *, is_used: bool = True
    ) -> tuple[Session | None, Operator | None]:
        """Return the session and its operator as of now; None where there is none any more."""
        secret = request.cookies.get(COOKIE, "")
        session = self._sessions.find(secret, self._now_us())
        if session is None:
            return None, None
        self._operators.refresh()
        who = self._operators.find(session.name)
        if who is None or who.password != session.password:
            self._sessions.end(secret)
            return None, None
        if is_used:
            session.used_us = self._now_us()
        return session, who

    async def _sent(self, request: Request) -> tuple[Session | None, Operator | None, Values]:
        """Return who sent a form, and the form; ForgedError where the desk's page did not."""
        values = await self._form(request)
        session, who = self._who(request)
        if session is not None and not hmac.compare_digest(
            values.get("token", "").encode(), session.token.encode()
        ):
            raise self._forged("forged")
        return session, who, values

    async def _form(self, request: Request) -> Values:
        host, origin = request.headers.get("host", ""), request.headers.get("origin", "")
        if not is_own_host(host, self._names):
            raise self._forged("not_our_name")
        if not is_own_origin(origin, request.url.scheme, host):
            raise self._forged("forged")
        return await read_form(request)

    def _forged(self, why: str) -> ForgedError:
        self._counts["forged"] += 1
        return ForgedError(why)


async def read_form(request: Request) -> Values:
    """Return the fields of a form; HTTPException where it is too long, slow or none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "only forms are taken")
    body = b""
    try:
        async with asyncio.timeout(FORM_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > FORM_SIZE_MAX:
                    raise HTTPException(413, "the form is too long")
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict"
        )
    except (ValueError, TimeoutError, ClientDisconnect):
        raise HTTPException(400, "this is no form") from None
    return dict(pairs)


def _address_of(request: Request) -> str:
    return request.client.host if request.client else ""
