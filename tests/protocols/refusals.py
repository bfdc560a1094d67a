"""What a call refuses, for tests that run without pytest."""

from protocols.errors import LocalProtocolError, RemoteProtocolError


def reason_of(call: object, *arguments: object) -> str:
    """Return the reason of the RemoteProtocolError that the call raises, or "accepted"."""
    try:
        call(*arguments)  # type: ignore[operator]
    except RemoteProtocolError as error:
        return error.reason
    return "accepted"


def is_our_fault(call: object, *arguments: object) -> bool:
    """Tell whether the call raises LocalProtocolError."""
    try:
        call(*arguments)  # type: ignore[operator]
    except LocalProtocolError:
        return True
    return False
