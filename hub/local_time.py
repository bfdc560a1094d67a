"""UTC -> the local time of the town, by `mode.utc_offset_min`; what people and CAP read."""

from datetime import UTC, datetime, timedelta


def iso(utc_us: int, offset_min: int) -> str:
    """Return a time as CAP wants it (CAP-v1.2, 3.3.2): with its offset, never with `Z`.

    UTC itself is `-00:00`, as that section says. offset_min: east of UTC.
    """
    text = _local(utc_us, offset_min).isoformat(timespec="seconds")
    return text + (_offset(offset_min) if offset_min else "-00:00")


def shown(utc_us: int, offset_min: int) -> str:
    """Return a time as people read it, with its offset: `2026-07-01 09:00:00 +09:00`."""
    return f"{_local(utc_us, offset_min):%Y-%m-%d %H:%M:%S} {_offset(offset_min)}"


def _local(utc_us: int, offset_min: int) -> datetime:
    then = datetime.fromtimestamp(utc_us // 1_000_000, UTC).replace(tzinfo=None)
    return then + timedelta(minutes=offset_min)


def _offset(offset_min: int) -> str:
    hours, minutes = divmod(abs(offset_min), 60)
    return f"{'-' if offset_min < 0 else '+'}{hours:02d}:{minutes:02d}"
