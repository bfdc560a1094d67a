"""Who gets alerts in tests: a web server and a mail server that may be down or say no."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP


class WebReceiver:
    """answers: status codes to give one after the other, then 200. got: (headers, body) of all."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.port = 0

    def taken(self) -> list[str]:
        """Return the identifiers, each once, in the order in which they came first."""
        return list(dict.fromkeys(headers["Idempotency-Key"] for headers, _ in self.got))


@contextmanager
def web_receiver(port: int = 0) -> Iterator[WebReceiver]:
    """Serve on loopback during the block."""
    receiver = WebReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.paths.append(self.path)
            code = receiver.answers.pop(0) if receiver.answers else 200
            if code == 200:
                receiver.got.append((dict(self.headers), body))
            self.send_response(code)
            if code in (301, 302, 307, 308):
                self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class MailReceiver:
    """A handler of aiosmtpd. answers: to give to DATA one after the other, then it takes all."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.mails: list[bytes] = []
        self.receivers: list[list[str]] = []
        self.refused: set[str] = set()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, *details: Any) -> str:
        """Take or refuse one receiver."""
        if details[0] in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(details[0])
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a mail."""
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(bytes(envelope.original_content))
        self.receivers.append(list(envelope.rcpt_tos))
        return "250 OK"

    async def serve(
        self, *, tls: ssl.SSLContext | None = None, **details: Any
    ) -> tuple[asyncio.Server, int]:
        """Listen on loopback; return the server and its port.

        tls: from the first byte on; details: of aiosmtpd's SMTP, as its context for STARTTLS.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(self, hostname="mail.example", **details), "127.0.0.1", 0, ssl=tls
        )
        return server, server.sockets[0].getsockname()[1]
