"""Who may act on the page: operators.toml beside devices.toml, as `hinomi hub operator` writes it.

One [[operator]] for each, with a role: a viewer sees what the office sees of alerts, an operator
acknowledges and sets the mode as well, and only watch-over sees what is known of people. Of a
password stands there what scrypt (RFC 7914) makes of it with a salt of its own.

Names and passwords are compared as NFKC: what is typed wide or narrow is the same.
"""

import hmac
import logging
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import scrypt, sha256
from pathlib import Path
from typing import Any

from hub.people.register import put_in_place, write_private
from hub.settings import Document, Row, SettingsError, commented

log = logging.getLogger(__name__)

ROLES = ("viewer", "operator", "watch-over")  # each may what those before it may
VIEWER, OPERATOR, WATCH_OVER = range(len(ROLES))
OPERATORS_MAX = 200
NAME_SIZE_MAX = 48
PASSWORD_LENGTH_MIN = 10  # characters; a phrase is fine, and easier to keep in mind
PASSWORD_SIZE_MAX = 256  # bytes

# Cost, block and rounds of scrypt: 16 MiB, as OWASP's cheat sheet on password storage gives them
# for little memory; the hub has 200 MB for all, and computes one at a time. They stand with each
# password, so that those of before stay when the cost is raised.
COST = (1 << 14, 8, 5)
_MEMORY_MAX = 64 << 20
_SALT_SIZE = 16

ROWS = (
    Row("operator", "name", None, "", "Name to log in with; it stands in the audit log.",
        1, NAME_SIZE_MAX, without='()"'),
    Row("operator", "role", "operator", "", "viewer, operator or watch-over.", choices=ROLES),
    Row("operator", "office", "", "",
        "Office as in people.viewers for which a watch-over operator looks; empty: the name.",
        0, NAME_SIZE_MAX),
    Row("operator", "password", None, "", "What scrypt makes of the password.",
        1, 160, is_secret=True),
)  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """One who may log in."""

    name: str
    role: str
    office: str = ""
    password: str = field(default="", repr=False)

    def may(self, level: int) -> bool:
        """Tell whether the role is that one or a higher one."""
        return ROLES.index(self.role) >= level

    @property
    def viewer(self) -> str:
        """As whom he looks at what is known of people."""
        return self.office or self.name


def plain(text: str) -> str:
    """Return a name or password as it is compared."""
    return unicodedata.normalize("NFKC", text).strip()


def sealed(password: str, cost: tuple[int, int, int] = COST) -> str:
    """Return what may be kept of a password."""
    salt = secrets.token_bytes(_SALT_SIZE)
    numbers = "-".join(map(str, cost))
    return f"scrypt-{numbers}-{salt.hex()}-{_stretched(password, salt, cost).hex()}"


def fits(operator: Operator | None, password: str) -> bool:
    """Tell whether that is the operator's password; as slow for one whom nobody knows.

    It takes 16 MiB and some hundred ms: call it in a thread, one at a time.
    """
    kept = operator.password if operator is not None else _NOBODY
    cost, salt, digest = _parts(kept)
    is_same = hmac.compare_digest(_stretched(password, salt, cost), digest)
    return is_same and operator is not None


def _stretched(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    text = plain(password).encode()[:PASSWORD_SIZE_MAX]
    n, r, p = cost
    return scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY_MAX, dklen=32)


def _parts(kept: str) -> tuple[tuple[int, int, int], bytes, bytes]:
    """Return cost, salt and digest; ValueError where it is not of sealed()."""
    word, n, r, p, *rest = kept.split("-")
    salt, digest = map(bytes.fromhex, rest)
    cost = (int(n), int(r), int(p))
    is_allowed = 256 * cost[0] * cost[1] <= _MEMORY_MAX and 1 <= cost[2] <= 16 and cost[0] > 1
    is_power = cost[0] & (cost[0] - 1) == 0
    if word != "scrypt" or (len(salt), len(digest)) != (_SALT_SIZE, 32):
        raise ValueError("cut short, or not of this program")
    if not is_allowed or not is_power or cost[1] < 1:
        raise ValueError("a cost that nobody can pay")
    return cost, salt, digest


_NOBODY = f"scrypt-{COST[0]}-{COST[1]}-{COST[2]}-{bytes(_SALT_SIZE).hex()}-{bytes(32).hex()}"


def load(path: Path) -> dict[str, Operator]:
    """Read operators.toml; nobody where it is not there. SettingsError where anything is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        remedy = "It is a UTF-8 file of the hub's user alone: chown and chmod 600 it."
        raise SettingsError(f"{path} cannot be read: {error}", remedy) from None
    return _read(text, path)


def _read(text: str, path: Path) -> dict[str, Operator]:
    document = Document(text, str(path))
    document.refuse_others(["operator"])
    found: dict[str, Operator] = {}
    for at, values in enumerate(document.read_tables(ROWS, "operator")):
        one = Operator(**values)
        if one.name in found:
            raise document.error("operator", "name", "is there twice", "Remove one.", at=at)
        try:
            _parts(one.password)
        except ValueError:
            remedy = f"Run `hinomi hub operator password {one.name}`."
            raise document.error("operator", "password", "is none", remedy, at=at) from None
        found[one.name] = one
    if len(found) > OPERATORS_MAX:
        remedy = "Remove those who no longer log in."
        raise SettingsError(f"{path} has more than {OPERATORS_MAX} operators", remedy)
    return found


def save(path: Path, operators: dict[str, Operator]) -> None:
    """Write the file anew, whole or not at all, for its user alone."""
    text = "# Who may act on the page; `hinomi hub operator` writes this file.\n"
    for one in operators.values():
        values = {("operator", row.name): getattr(one, row.name) for row in ROWS}
        lines = commented(ROWS, values, ("operator",)).splitlines()
        text += "\n" + "\n".join(line for line in lines if not line.startswith("#")) + "\n"
    _read(text, path)  # before it is written: a hub begins with this file
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    write_private(part, text)
    put_in_place(part, path)


def why_weak(name: str, password: str) -> str:
    """Return what is wrong with a new password in one sentence; empty where nothing is."""
    text = plain(password)
    if len(text) < PASSWORD_LENGTH_MIN:
        return f"The password has fewer than {PASSWORD_LENGTH_MIN} characters"
    if len(text.encode()) > PASSWORD_SIZE_MAX:
        return f"The password is longer than {PASSWORD_SIZE_MAX} bytes"
    if len(set(text)) < 4 or text.casefold() in (plain(name) * 4).casefold():
        return "The password is too easy to guess"
    return ""


class Operators:
    """The operators of a running hub; the file is read again as soon as it has changed.

    on_change(name, before, after): somebody was added, removed or is another ("-": is not there).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.on_change: Callable[[str, str, str], None] = lambda *_: None
        self._stamp: Any = None
        self._all: dict[str, Operator] = {}
        self._told: dict[str, str] = {}  # what() as on_change has it

    def is_empty(self) -> bool:
        """Tell whether nobody may log in."""
        return not self._all

    def find(self, name: str) -> Operator | None:
        """Return the operator of that name, as of the last refresh()."""
        return self._all.get(plain(name))

    def start(self, known: dict[str, str]) -> dict[str, str]:
        """Read the file for the first time; known: what() of the last run.

        With a wrong file nobody logs in until it is right: devices and alerts do not wait for it.
        """
        self._stamp, self._told = self._found(), known
        try:
            self._all = load(self.path)
        except SettingsError as error:
            log.error("%s %s Nobody can log in.", error.cause, error.remedy)
            return known
        self._tell()
        return self.what()

    def refresh(self) -> bool:
        """Read the file where it has changed; a wrong one is logged and changes nobody."""
        found = self._found()
        if found == self._stamp:
            return False
        self._stamp = found
        try:
            self._all = load(self.path)
        except SettingsError as error:
            log.error("%s %s The operators of before stay.", error.cause, error.remedy)
            return False
        self._tell()
        return True

    def what(self) -> dict[str, str]:
        """Return what the audit log says of each: the role, and when the password is another."""
        return {name: _words(one) for name, one in self._all.items()}

    def _tell(self) -> None:
        before, now = self._told, self.what()
        self._told = now
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                self.on_change(name, before.get(name, "-"), now.get(name, "-"))

    def _found(self) -> Any:
        try:
            state = self.path.stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino


def _words(one: Operator) -> str:
    office = f" of {one.office}" if one.office else ""
    # Of what scrypt made the digest tells nothing, but that it is another.
    mark = sha256(b"hinomi operator" + one.password.encode()).hexdigest()[:8]
    return f"{one.role}{office}, password {mark}"
