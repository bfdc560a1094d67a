"""The office at work: register, views, access and the safety list of a running hub.

Whoever looks gives a name and a ground, and the view is in the ledger, durable, before anything is
shown; a refused one, too. What is kept here is closed (hub.people.seal) in the store's meta, so it
is in backups and comes out of a damaged store like all else.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from hub.admin import Admin, AdminError
from hub.clock import Clock
from hub.config import Config
from hub.ledger import Entry, audit
from hub.modes import Change
from hub.people.access import HOUR_US, Access, Grant
from hub.people.register import Person, Register, load
from hub.people.retention import Retention
from hub.people.safety import ROWS_MAX, SafetyList, Status
from hub.people.seal import Seal
from hub.rules.watch_over import WatchOverRule
from hub.settings import SettingsError
from hub.store import Group, Store
from protocols.vocabulary import MODE_DISASTER, MODE_NORMAL

log = logging.getLogger(__name__)

REGISTER_KEY = "people:register"  # in meta, closed: pseudonym -> what was audited of it
GRANTS_KEY = "people:grants"
RETENTION_KEY = "people:retention"  # plain: numbers of frames
SAFETY_KEY = "safety:"  # and drill or real, and a digest of the id
DURABLE_S_MAX = 5.0
SAVE_US = 60_000_000
TEXT_MAX = 200  # characters of what a person types
# An open case: pseudonym, what it is, how often it was escalated, when it began.
Case = dict[str, Any]


class Office:
    """cases: () -> the open cases of the watch-over rule, as hub.alerts knows them."""

    def __init__(self, config: Config, store: Store, rule: WatchOverRule, *, clock: Clock) -> None:
        self._config = config
        self._row = config.tables["people"]
        self._path = config.folder / self._row["file"]
        self._store = store
        self._rule = rule
        self._clock = clock
        self._seal = Seal(config.secret)
        self._stamp: tuple[int, int] | None = None
        self._waiting: list[tuple[Entry, asyncio.Future[None]]] = []
        self._save_due_us = clock.now_us() + SAVE_US
        kept = json.loads(store.meta.get(RETENTION_KEY) or "{}")
        days = int(self._row["retention_days"])
        self.retention = Retention(days, kept, clock.run(), clock.now_us())
        self._mode = MODE_NORMAL
        self._drill = False
        self.access = Access([one.strip() for one in self._row["viewers"].split(",")])
        self.lists = {False: SafetyList(False), True: SafetyList(True)}
        self.durable_s_max = DURABLE_S_MAX
        self.cases: Callable[[], list[Case]] = list
        self.register: Register = {}
        self._restore()
        store.on_commit.append(self._committed)

    def attend(self, admin: Admin, mode: int, drill: bool) -> None:
        """Answer the office's commands; begin with the mode that the hub has come up in."""
        self._take(load(self._path, list(self._config.devices)), self._found())
        admin.handlers |= {
            "people view": self._view,
            "people cases": self._show_cases,
            "people widen": self._widen,
            "people narrow": self._narrow,
            "safety put": self._put,
            "safety list": self._list,
            "safety close": self._close,
        }
        self._enter(mode, drill)

    def changed(self, change: Change) -> None:
        """Take a change of mode."""
        self._enter(change.mode, change.drill)

    def tick(self, now_us: int) -> None:
        """Read the register where it has changed, end what is over; once a second."""
        found = self._found()
        if found != self._stamp:
            self._reload(found)
        if self.retention.tick(now_us, self._store.following):
            self._store.save_meta(RETENTION_KEY, json.dumps(self.retention.save(now_us)))
        is_normal = self._mode == MODE_NORMAL or self._drill
        for one in self.access.ended(now_us, is_normal):
            self._note("hub", "access ends", f"{one.to}: {one.ground}")
            self._save_grants(now_us)
        if now_us >= self._save_due_us:
            self._save_due_us = now_us + SAVE_US
            if self.access.grants:
                self._save_grants(now_us)

    def old(self) -> list[int]:
        """Return for each lane the number below which frames of people may be kept no longer."""
        return self.retention.below(self._clock.now_us())

    # Register

    def _found(self) -> tuple[int, int] | None:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return None
        return state.st_mtime_ns, state.st_size

    def _reload(self, found: tuple[int, int] | None) -> None:
        self._stamp = found
        try:
            register = load(self._path, list(self._config.devices))
        except SettingsError as error:
            log.error("%s %s The people of before stay.", error.cause, error.remedy)
            return
        self._take(register, found)

    def _take(self, register: Register, found: tuple[int, int] | None) -> None:
        self._stamp = found
        self.register = self._rule.register = register
        before = self._kept(REGISTER_KEY, {})
        now = {name: _words(person) for name, person in register.items()}
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                words = {"before": before.get(name, "-"), "after": now.get(name, "-")}
                self._note("people.toml", "consent", name, **words)
        if now != before:
            self._store.save_meta(REGISTER_KEY, self._seal.close(now))

    # Views

    async def _view(self, request: dict[str, Any], actor: str) -> Any:
        name = _text(request, "pseudonym")
        now_us = await self._admit(request, actor, name)
        person = self.register.get(name)
        if person is None:
            raise AdminError(f"Nobody here is {name}", "See people.toml for the pseudonyms.")
        shown = {"pseudonym": name, "consent": _words(person), "contacts": list(person.contacts)}
        return {**shown, **self._rule.ages(name, now_us),
                "cases": [one for one in self._open() if one["pseudonym"] == name]}  # fmt: skip

    async def _show_cases(self, request: dict[str, Any], actor: str) -> Any:
        await self._admit(request, actor, "all cases")
        return self._open()

    def _open(self) -> list[Case]:
        """Return the open cases with whom to ask at this step: each contact, then the office."""
        shown = []
        for case in self.cases():
            person = self.register.get(case["pseudonym"])
            contacts = (*(person.contacts if person else ()), "office / 庁舎")
            shown.append({**case, "ask": contacts[min(case["step"], len(contacts) - 1)]})
        return shown

    async def _admit(self, request: dict[str, Any], actor: str, what: str) -> int:
        """Write the view into the ledger, or that it was refused; return the time."""
        viewer, ground = _text(request, "viewer"), _text(request, "ground")
        now_us = self._clock.now_us()
        may = self.access.may_view(viewer, now_us)
        command = "view" if may else "view refused"
        await self._durable(self._entry(f"{viewer} ({actor})", command, what, after=ground))
        if not may:
            remedy = "In a disaster: `hinomi hub people widen`; else add it to people.viewers."
            raise AdminError(f"{viewer} may not see what is known of people", remedy)
        return now_us

    # Access

    async def _widen(self, request: dict[str, Any], actor: str) -> Any:
        to, by, ground = (_text(request, name) for name in ("to", "by", "ground"))
        if self._mode == MODE_NORMAL or self._drill:
            raise AdminError(
                "Others may be let in in watch or disaster only, and not in a drill",
                "Add a lasting viewer to people.viewers in hub.toml.",
            )
        hours = min(int(request.get("hours", 0)) or self._row["access_h"], self._row["access_h"])
        now_us = self._clock.now_us()
        entry = self._entry(f"{by} ({actor})", "access widened", to, after=f"{hours} h: {ground}")
        await self._durable(entry)
        self.access.widen(Grant(to, by, ground, now_us + hours * HOUR_US))
        self._save_grants(now_us)
        return {"to": to, "hours": hours}

    async def _narrow(self, request: dict[str, Any], actor: str) -> Any:
        to, by = _text(request, "to"), _text(request, "by")
        was_in = self.access.grants.pop(to, None) is not None
        self._save_grants(self._clock.now_us())
        await self._durable(self._entry(f"{by} ({actor})", "access narrowed", to))
        return {"to": to, "was_in": was_in}

    # Safety list

    def _enter(self, mode: int, drill: bool) -> None:
        """Begin the list of a disaster with all of the register; a drill's goes with it."""
        if self._drill and not drill and self.lists[True].rows:
            for one in self.lists[True].rows.values():
                self._store.save_meta(_key(True, one.id), "")
            self.lists[True] = SafetyList(True)
        self._mode, self._drill = mode, drill
        if mode == MODE_DISASTER:
            for one in self.lists[drill].expect(list(self.register)):
                self._save_status(drill, one)

    def _list_now(self) -> SafetyList:
        current = self.lists[self._drill]
        if self._mode == MODE_NORMAL and not current.rows:
            remedy = "Set the mode: `hinomi hub mode set disaster`."
            raise AdminError("There is no safety list: the mode is normal", remedy)
        return current

    async def _put(self, request: dict[str, Any], actor: str) -> Any:
        by, current = _text(request, "by"), self._list_now()
        if request.get("drill", current.drill) != current.drill:
            # A drill has begun or ended while somebody wrote.
            word = "a drill's" if current.drill else "the real one"
            raise AdminError(f"The safety list is {word} by now", "Look at it again first.")
        utc_us, entries, taken = self._clock.utc_us(), [], []
        refused: AdminError | None = None
        for row in request.get("rows") or ():
            try:
                status = Status(**{**row, "by": by, "at_utc_us": utc_us})
                before = current.put(status)
            except (TypeError, ValueError) as error:
                remedy = "Give id, state, people, place and note; rows before it are entered."
                refused = AdminError(f"{row} cannot be entered: {error}", remedy)
                break
            words = {"before": before.state if before else "-", "after": status.state}
            what = f"safety{' (drill)' if current.drill else ''}: {status.id}"
            entries.append(self._entry(f"{by} ({actor})", "safety put", what, **words))
            taken.append(status)
        for status in taken:
            self._save_status(current.drill, status)
        if entries:
            await self._durable(*entries)
        if refused is not None:
            raise refused
        return {"taken": len(taken), "drill": current.drill, "counts": current.counts()}

    async def _list(self, request: dict[str, Any], actor: str) -> Any:
        current = self._list_now()
        await self._admit(request, actor, f"safety list{' (drill)' if current.drill else ''}")
        rows, count = _wanted(current.sorted(), request)
        return {"drill": current.drill, "counts": current.counts(), "rows": rows, "found": count}

    async def _close(self, request: dict[str, Any], actor: str) -> Any:
        by, current = _text(request, "by"), self._list_now()
        if self._mode != MODE_NORMAL:
            remedy = "Export the list now; close it when the mode is normal."
            raise AdminError("The mode is not normal yet; the list stays", remedy)
        count = len(current.rows)
        await self._durable(self._entry(f"{by} ({actor})", "safety close", f"{count} rows"))
        for one in current.rows.values():
            self._store.save_meta(_key(current.drill, one.id), "")
        self.lists[current.drill] = SafetyList(current.drill)
        return {"closed": count}

    # What is kept

    def _restore(self) -> None:
        self.access.restore(self._kept(GRANTS_KEY, []), self._clock.now_us())
        for key in [one for one in self._store.meta if one.startswith(SAFETY_KEY)]:
            row = self._kept(key, None)
            if row is not None:
                self.lists[key.startswith(f"{SAFETY_KEY}drill")].put(Status(**row))

    def _kept(self, key: str, default: Any) -> Any:
        text = self._store.meta.get(key)
        if not text:
            return default
        try:
            return self._seal.open(str(text))
        except ValueError as error:  # the hub's secret is another one
            log.error("%s cannot be opened: %s", key.partition(":")[0], error)
            return default

    def _save_grants(self, now_us: int) -> None:
        self._store.save_meta(GRANTS_KEY, self._seal.close(self.access.save(now_us)))

    def _save_status(self, drill: bool, status: Status) -> None:
        self._store.save_meta(_key(drill, status.id), self._seal.close(status.row()))

    # Ledger

    def _entry(self, actor: str, command: str, what: str, **words: str) -> Entry:
        return audit(self._clock.utc_us(), actor, command, what=what, **words)

    def _note(self, actor: str, command: str, what: str, **words: str) -> None:
        self._store.group.ledger.append(self._entry(actor, command, what, **words))
        self._store.flush()

    async def _durable(self, *entries: Entry) -> None:
        """Write entries; return once they are synced. AdminError where that cannot be had."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((entries[-1], done))
        self._store.group.ledger += entries
        self._store.flush()
        try:
            async with asyncio.timeout(self.durable_s_max):
                await done
        except TimeoutError:
            remedy = "See `hinomi hub status` for what the store lacks."
            cause = "It cannot be written down who looks, so nothing is shown"
            raise AdminError(cause, remedy) from None
        finally:
            self._waiting = [one for one in self._waiting if one[1] is not done]

    def _committed(self, group: Group) -> None:
        for entry, done in self._waiting:
            if not done.done() and any(one is entry for one in group.ledger):
                done.set_result(None)


def _words(person: Person) -> str:
    """Return what of a person is written into the ledger: the consent, and how much."""
    until = f" until {person.until}" if person.until else ""
    ways = f", {len(person.ways)} ways" if person.ways else ""
    return f"consent {person.consent}{until}, {len(person.devices)} devices{ways}"


def _wanted(all_rows: list[Status], request: dict[str, Any]) -> tuple[list[Any], int]:
    """Return the rows that `find` is part of, at most `rows_max`, and how many there are."""
    part, rows_max = str(request.get("find", "")).casefold(), request.get("rows_max", ROWS_MAX)
    found = [one for one in all_rows if part in f"{one.id}\n{one.place}".casefold()]
    return [one.row() for one in found[: int(rows_max)]], len(found)


def _key(drill: bool, name: str) -> str:
    word = "drill" if drill else "real"
    return f"{SAFETY_KEY}{word}:{sha256(name.encode()).hexdigest()[:24]}"


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= TEXT_MAX:
        raise AdminError(f"{name} is missing or too long", f"Give --{name} TEXT.")
    return value.strip()
