"""Mail over TLS to a real SMTP server: encrypted before anything is said, or not sent at all."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.alerts.channel import SendError
from hub.alerts.mail import PASSWORD, Mail
from tests.hub.alerts.receivers import MailReceiver
from tests.hub.alerts.test_cap import TOWN
from tests.hub.alerts.test_channels import ACTUAL

HOST = "127.0.0.1"


class Certified(NamedTuple):
    """context: of the server; root: PEM file of who has signed its certificate."""

    context: ssl.SSLContext
    root: Path


def certified(folder: Path, host: str = HOST, *, days: int = 1) -> Certified:
    """Make a root and a server's certificate for a host, valid until so many days from now."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test root")])
    until = datetime.now(UTC) + timedelta(days=days)

    def made(subject: x509.Name, public: Any, *more: tuple[Any, bool]) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(root)
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(until - timedelta(days=9)).not_valid_after(until)
        for extension, is_critical in more:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(root_key, hashes.SHA256())

    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    signer = made(
        root,
        root_key.public_key(),
        (x509.BasicConstraints(True, None), True),
        (x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), False),
    )
    leaf = made(
        x509.Name([]),
        key.public_key(),
        (x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), True),
        (issuer, False),
    )
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(signer.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    return Certified(context, folder / "root.pem")


class Watched(MailReceiver):
    """said: what came, and whether it was encrypted."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, bool]] = []

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, *details: Any) -> str:
        """Take a sender."""
        self.said.append(("mail", server.transport.get_extra_info("sslcontext") is not None))
        envelope.mail_from = details[0]
        return "250 OK"

    def log_in(self, server: Any, *details: Any) -> AuthResult:
        """Take the one password. details: session, envelope, mechanism, who and what he says."""
        who = details[-1]
        self.said.append(("login", server.transport.get_extra_info("sslcontext") is not None))
        return AuthResult(success=who.password == b"right", handled=False)


def sent(parts: Certified, security: str = "starttls") -> Watched:
    """Send one mail to a server with this certificate; return what it heard."""
    receiver = Watched()
    row = {
        "name": "duty", "host": HOST, "port": 0, "security": security, "user": "hinomi",
        "sender": "hinomi@town.example", "receivers": "a@town.example", "level": "watch",
        "restricted": True, "drills": True, "step": 0,
    }  # fmt: skip

    async def main() -> None:
        details: dict[str, Any] = {"authenticator": receiver.log_in}
        if security == "tls":
            details |= {"tls": parts.context, "auth_require_tls": False}
        else:
            details |= {"tls_context": parts.context, "require_starttls": True}
        server, row["port"] = await receiver.serve(**details)
        try:
            await Mail(row, TOWN).send(ACTUAL)
        finally:
            server.close()

    try:
        asyncio.run(main())
    except SendError as error:
        assert not error.is_final  # somebody mends it, then it goes
        receiver.said.append((str(error), False))
    return receiver


@pytest.fixture(autouse=True)
def right_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the hub the password, as hub.env does."""
    monkeypatch.setenv(PASSWORD, "right")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_login_and_mail_go_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    parts = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(parts.root))
    receiver = sent(parts, security)
    assert receiver.said == [("login", True), ("mail", True)]
    assert len(receiver.mails) == 1 and ACTUAL.identifier.encode() in receiver.mails[0]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("host", "days", "is_trusted", "why"),
    [
        (HOST, 1, False, "unable to get local issuer certificate"),
        ("192.0.2.1", 1, True, "IP address mismatch"),
        (HOST, -1, True, "certificate has expired"),
    ],
)
def test_to_a_wrong_certificate_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, security: str, host: str, days: int,
    is_trusted: bool, why: str,
) -> None:  # fmt: skip
    parts = certified(tmp_path, host, days=days)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(parts.root))
    receiver = sent(parts, security)
    ((said, _),) = receiver.said
    assert "the server's certificate is not accepted" in said and why in said
    assert receiver.mails == []


def test_a_wrong_password_is_named_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(parts.root))
    monkeypatch.setenv(PASSWORD, "wrong")
    receiver = sent(parts)
    assert receiver.mails == []
    assert {is_encrypted for what, is_encrypted in receiver.said if what == "login"} == {True}
    assert receiver.said[-1] == ("user or password is not accepted: 535", False)
