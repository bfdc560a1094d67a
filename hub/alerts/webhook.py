"""A webhook: each message as its CAP document, POSTed with a signature.

    POST <url>
    Content-Type: application/cap+xml
    Idempotency-Key: <identifier>                  the same for every try
    X-Hinomi-Timestamp: <unix seconds of this try>
    X-Hinomi-Signature: sha256=<HMAC-SHA-256 in hexadecimal>

The HMAC goes over `<timestamp>.<identifier>.<body>`, so that neither can be exchanged; a receiver
refuses a timestamp that is not of now. Its key is derived from the hub's secret by the receiver's
name: no secret stands in hub.toml; `hinomi hub alerts key NAME` prints it once for the receiver.

2xx: taken. 400, 413, 415, 422 speak of the message (RFC 9110, 15.5): refused. Everything else is
tried again, redirects too: a signed warning does not go where somebody points.
"""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from hashlib import sha256
from hmac import new as hmac
from typing import Any

from hub.alerts import cap
from hub.alerts.channel import Filter, SendError
from hub.alerts.message import Message
from hub.alerts.town import Town

TIMEOUT_S = 20.0
FINAL = frozenset((400, 413, 415, 422))


def key_of(secret: bytes, name: str) -> str:
    """Return the key of a receiver, 64 hexadecimal digits that are used as text."""
    return hmac(secret, b"hinomi webhook " + name.encode(), sha256).hexdigest()


def signature(key: str, timestamp: str, identifier: str, body: bytes) -> str:
    """Return the value of X-Hinomi-Signature."""
    signed = f"{timestamp}.{identifier}.".encode() + body
    return "sha256=" + hmac(key.encode(), signed, sha256).hexdigest()


class Webhook:
    """One row [[webhook]]. unix_s: the time of now, for the signature."""

    def __init__(
        self, row: dict[str, Any], secret: bytes, town: Town, unix_s: Callable[[], int]
    ) -> None:
        self.name = f"webhook:{row['name']}"
        self.filter = Filter.of(row)
        self._url = row["url"]
        self._key = key_of(secret, row["name"])
        self._town = town
        self._unix_s = unix_s
        # Straight there: no proxy of the environment, no redirect.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Straight())

    async def send(self, message: Message) -> None:
        """Deliver; SendError where the receiver says no."""
        body = cap.document(message, self._town)
        timestamp = str(self._unix_s())
        headers = {
            "Content-Type": cap.MEDIA_TYPE,
            "Idempotency-Key": message.identifier,
            "X-Hinomi-Timestamp": timestamp,
            "X-Hinomi-Signature": signature(self._key, timestamp, message.identifier, body),
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")
        await asyncio.to_thread(self._post, request)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _post(self, request: urllib.request.Request) -> None:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                answer.read(64)
        except urllib.error.HTTPError as error:
            error.close()
            raise SendError(f"HTTP {error.code}", is_final=error.code in FINAL) from None
        except urllib.error.URLError as error:
            raise SendError(str(error.reason)) from None
        except (http.client.HTTPException, ValueError) as error:
            raise SendError(f"{type(error).__name__}: {error}") from None


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none: the answer is then an HTTPError with the redirect's code."""
