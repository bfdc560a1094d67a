"""Links: one way frames travel each. All have one face:

name
await open() -> connection      LinkError where that fails; Refused where somebody said no
    await receive() -> frames   the next ones, at least one; LinkError at the end;
    RemoteProtocolError for noise send(frame)                 queue await drain()
    until the queue is short; LinkError close()
"""

from protocols.errors import LinkError


class Refused(LinkError):
    """The hub's machine answered that nobody listens: the way there is open."""
