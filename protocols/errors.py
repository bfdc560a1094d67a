"""Errors of the wire: whose fault it is stands in the type."""


class ProtocolError(Exception):
    """Something broke the protocol."""


class LocalProtocolError(ProtocolError):
    """Our own bug: we tried to send what the wire does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the wire does not allow.

    reason: one of REASONS below; hubs count refusals under it.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason + (": " + detail if detail else ""))
        self.reason = reason


class LinkError(Exception):
    """The cable, the radio or the socket failed; nobody broke the protocol."""


# Reason -> what an operator should understand by it. Every refusal is counted under one of these.
REASONS = {
    "malformed": "bytes that are no frame of ours",
    "oversize": "a length beyond the limit",
    "wrong_key": "the authentication tag does not fit the key of that device",
    "unknown_device": "no key is enrolled for that device",
    "unexpected": "a message that its state does not allow",
    "replayed": "a session message that was already used, or one out of order",
    "truncated": "the connection ended in the middle of a frame",
    "silent": "no frame arrived in time",
    "superseded": "a newer connection of the same device took over",
    "wrong_sender": "a frame of another device than the one that said hello",
    "too_many": "more connections than the limit",
    "overloaded": "the store refuses new frames for now",
}
