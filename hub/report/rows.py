"""The settings of inspection reports."""

from hub.settings import Row

ROWS = (
    Row("report", "delay_s", 180, "s",
        "So long after the beginning of a quake the bridges' inspection reports are made.",
        60, 3600),
    Row("report", "keep_count", 200, "reports", "So many are kept; the oldest go first.",
        1, 10000),
)  # fmt: skip
