"""The flash regions of a board that MicroPython runs on, as its wiring.json names them."""

# mypy: disable-error-code="attr-defined"

from agent.hal.errors import ENODEV

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def open_flash(table: "dict[str, Any]") -> "Any":
    """Return the port's flash as the table says; the modules of other ports are not imported."""
    if table["kind"] == "file":
        from agent.hal.file_flash import FileFlash

        return FileFlash(table["path"], sector_count=table["sectors"])
    from agent.hal.block_flash import BlockFlash

    if table["kind"] == "rp2":
        import rp2

        return BlockFlash(rp2.Flash(start=table["start"], len=table["size"]))
    import esp32

    found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=table["label"])
    if not found:
        raise OSError(ENODEV)
    return BlockFlash(found[0])
