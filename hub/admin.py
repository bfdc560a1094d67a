"""The door for operators: a socket in the hub's data folder, for its user and root alone.

`hinomi hub mode`, `hinomi hub drill` and other commands that change the running hub come in here:
one line of JSON {"do": name, ..} and one line back, {"done": ..} or {"error": .., "remedy": ..}.
Who may open it, the file's mode says (0600); who did, the kernel says (SO_PEERCRED), and it stands
in the audit log as `person:<user>`. The one other way to the same table is the page's desk, for
operators who have logged in there (hub.console.desk).

Folder paths may be longer than the 107 bytes that a socket's address has: it is named by way of
the folder's descriptor.
"""

import asyncio
import inspect
import json
import logging
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

NAME = "admin.socket"
REQUEST_SIZE_MAX = 65536
TIMEOUT_S = 10.0
# (fields of the request, actor) -> what is done, JSON-able; AdminError, or any error that has a
# cause and a remedy. Where it takes time: an awaitable of it.
Handler = Callable[[dict[str, Any], str], Any]


class AdminError(Exception):
    """The hub could not do it: one sentence of cause, one of remedy."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


class Admin:
    """handlers: name -> what does it; whoever has something to offer adds to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: asyncio.Server | None = None
        self.handlers: dict[str, Handler] = {}
        self.refused_count = 0

    async def open(self) -> None:
        """Begin to listen; where the folder can hold no socket the hub runs without."""
        try:
            self._server = await asyncio.start_unix_server(
                self._talk, sock=self._bound(), limit=REQUEST_SIZE_MAX
            )
        except OSError as error:
            log.error("no commands of operators: %s: %s", self._folder / NAME, error.strerror)

    def close(self) -> None:
        """End listening, and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._server = None
            (self._folder / NAME).unlink(missing_ok=True)

    def _bound(self) -> socket.socket:
        # The store's lock says that no other hub has this folder: an old one is a leftover.
        (self._folder / NAME).unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        umask = os.umask(0o177)
        try:
            with _address(self._folder) as address:
                bound.bind(address)
        except OSError:
            bound.close()
            raise
        finally:
            os.umask(umask)
        return bound

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            actor = _actor_of(writer.get_extra_info("socket"))
            async with asyncio.timeout(TIMEOUT_S):
                answer = self.answer(await reader.readline(), actor)
                if inspect.isawaitable(answer.get("done")):
                    answer = await self._awaited(answer["done"])
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, TimeoutError) as error:  # ValueError: a line beyond the limit
            self.refused_count += 1
            log.warning("an operator's command broke off: %s", error)
        finally:
            writer.close()

    def answer(self, line: bytes, actor: str) -> dict[str, Any]:
        """Do what one line asks for; return what to answer."""
        try:
            request = json.loads(line)
            name = str(request.pop("do"))
        except (ValueError, KeyError, AttributeError, TypeError):
            name, request = "", {}
        return self._do(name, request, actor)

    async def carry_out(self, name: str, fields: dict[str, Any], actor: str) -> dict[str, Any]:
        """Do what an operator asks for by another door, with the same handlers and answers."""
        answer = self._do(name, fields, actor)
        if inspect.isawaitable(answer.get("done")):
            answer = await self._awaited(answer["done"])
        return answer

    def _do(self, name: str, fields: dict[str, Any], actor: str) -> dict[str, Any]:
        if name not in self.handlers:
            self.refused_count += 1
            return {"error": "The hub does not know this command",
                    "remedy": "Use the `hinomi` of the hub's own version."}  # fmt: skip
        try:
            return {"done": self.handlers[name](fields, actor)}
        except Exception as error:
            return _failed(error)

    async def _awaited(self, done: Awaitable[Any]) -> dict[str, Any]:
        try:
            return {"done": await done}
        except Exception as error:
            return _failed(error)


def _failed(error: Exception) -> dict[str, Any]:
    if not hasattr(error, "remedy"):
        log.error("an operator's command failed", exc_info=error)
    remedy = getattr(error, "remedy", "See the hub's log.")
    return {"error": str(error) or type(error).__name__, "remedy": remedy}


def ask(folder: Path, request: dict[str, Any]) -> Any:
    """Let the running hub of this data folder do something; return what it did. AdminError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(TIMEOUT_S)
            with _address(folder) as address:
                line.connect(address)
            line.sendall(json.dumps(request, ensure_ascii=False).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline())
    except PermissionError:
        remedy = "Run it as the user that the hub runs as, or with sudo."
        raise AdminError(f"This user may not command the hub of {folder}", remedy) from None
    except (OSError, ValueError) as error:
        remedy = "Start it with `hinomi hub run`, or name its hub.toml with --config."
        cause = getattr(error, "strerror", None) or error
        raise AdminError(f"No hub answers in {folder}: {cause}", remedy) from None
    if "error" in answer:
        raise AdminError(answer["error"], answer["remedy"])
    return answer["done"]


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def _actor_of(line: socket.socket) -> str:
    """Return who is at the other end; PermissionError for others than the hub's user and root."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if user not in (0, os.geteuid()):
        raise PermissionError(f"user {user} may not command this hub")
    try:
        return f"person:{pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"person:{user}"
