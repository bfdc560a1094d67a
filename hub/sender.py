"""The hub as a sender: its own gaps, clocks, modes and notices are frames like a device's."""

from typing import Any

from hub.store import Store
from protocols.cose import DeviceKeys
from protocols.records import encode_record


class HubSender:
    """Seals records under the hub's name and puts them into the store.

    Its boot number is durable before its first record can be, because both ride on the same
    commits in order.
    """

    def __init__(self, hub_id: str, secret: bytes, store: Store) -> None:
        self.keys = DeviceKeys(hub_id, secret)
        self.boot = int(store.meta.get("boot", 0)) + 1
        self._index = 0
        self._store = store
        store.save_meta("boot", self.boot)

    def record(self, kind: int, lane: int, now_us: int, fields: dict[str, Any]) -> None:
        """Seal and store one record. now_us: the hub's monotonic clock.

        Where the store cannot write and holds too many already, it is dropped and counted; no
        index is used up.
        """
        if not self._store.may_append_own():
            return
        head = (self.boot, self._index, lane, now_us)
        frame = self.keys.up.seal(encode_record(kind, head, fields))
        self._store.append_own(self.keys.device, (self.boot, self._index, lane), frame)
        self._index += 1
