"""E-mail: one message a mail, Japanese and English, the CAP document attached (RFC 5321, 5322).

The Message-ID is made of the identifier, so that a mail sent twice is one mail; updates refer to
the mails before, so that an event is one thread.
"""

import asyncio
import os
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from hub.alerts import cap
from hub.alerts.channel import Filter, SendError
from hub.alerts.message import ACTUAL, Message
from hub.alerts.rows import kinds_of
from hub.alerts.town import Town

TIMEOUT_S = 20.0
PASSWORD = "HINOMI_MAIL_PASSWORD"


class Mail:
    """One row [[mail]]."""

    def __init__(self, row: dict[str, Any], town: Town) -> None:
        self.name = f"mail:{row['name']}"
        self.filter = Filter.of(row)
        self._row = row
        self._town = town

    async def send(self, message: Message) -> None:
        """Deliver; SendError where the server says no to all receivers."""
        await asyncio.to_thread(self._send, self.compose(message))

    async def close(self) -> None:
        """Nothing is kept open."""

    def compose(self, message: Message) -> EmailMessage:
        """Return the mail."""
        mail = EmailMessage(policy=SMTP)
        town, domain = self._town, self._row["sender"].rpartition("@")[2]
        mail["From"] = self._row["sender"]
        mail["To"] = ", ".join(kinds_of(self._row["receivers"]))
        mail["Subject"] = f"{message.headline_ja()} / {message.headline_en()}"
        mail["Date"] = datetime.fromtimestamp(message.sent_utc_us / 1e6, UTC)
        mail["Message-ID"] = f"<{message.identifier}@{domain}>"
        if message.references:
            mail["In-Reply-To"] = f"<{message.references[-1][0]}@{domain}>"
            mail["References"] = " ".join(f"<{name}@{domain}>" for name, _ in message.references)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of a machine, please
        mail["X-Hinomi-Status"] = message.status
        mail.set_content(_text(message, town))
        name = f"{message.identifier}.xml"
        mail.add_attachment(cap.document(message, town), maintype="application",
                            subtype="cap+xml", filename=name)  # fmt: skip
        return mail

    def _send(self, mail: EmailMessage) -> None:
        try:
            with connect(self._row, os.environ.get(PASSWORD, "")) as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            answers = ", ".join(f"{name}: {code}" for name, (code, _) in error.recipients.items())
            raise SendError(f"no receiver is taken: {answers}") from None
        except smtplib.SMTPDataError as error:
            is_final = error.smtp_code // 100 == 5
            raise SendError(f"SMTP {error.smtp_code}", is_final=is_final) from None
        except (smtplib.SMTPException, OSError) as error:
            raise SendError(why(error)) from None


def connect(row: dict[str, Any], password: str, timeout_s: float = TIMEOUT_S) -> smtplib.SMTP:
    """Return a server that mails may go to: encrypted and logged in as the row of [[mail]] says.

    OSError, of which SMTPException is one, where that cannot be had: nothing was sent in clear.
    """
    server: smtplib.SMTP
    if row["security"] == "tls":
        context = ssl.create_default_context()
        server = smtplib.SMTP_SSL(row["host"], row["port"], timeout=timeout_s, context=context)
    else:
        server = smtplib.SMTP(row["host"], row["port"], timeout=timeout_s)
    try:
        if row["security"] == "starttls":
            server.starttls(context=ssl.create_default_context())
        if row["user"]:
            server.login(row["user"], password)
    except BaseException:
        server.close()
        raise
    return server


def why(error: OSError) -> str:
    """Return what connect() or a server's answer says, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"user or password is not accepted: {error.smtp_code}"
    if isinstance(error, smtplib.SMTPException):
        return f"{type(error).__name__}: {error}"
    return error.strerror or str(error) or type(error).__name__


def _text(message: Message, town: Town) -> str:
    area = town.area(message.place)
    lines = [message.headline_ja(), f"地域: {area.name_ja}", ""]
    lines += [message.headline_en(), f"Area: {area.name_en}", ""]
    lines += [f"{name}: {value:.6g}" for name, value in sorted(message.values.items())]
    lines += [f"{town.time(message.sent_utc_us)}  {message.identifier}"]
    lines += [f"{town.name_ja} / {town.name_en}  {town.contact}"]
    if message.status != ACTUAL:
        lines += ["", "これは実際の警報ではありません。 / This is not an actual alert."]
    return "\n".join(lines) + "\n"
