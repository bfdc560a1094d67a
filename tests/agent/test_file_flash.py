"""The flash in a file behaves as a flash."""

import os

from agent.hal.file_flash import FileFlash

PATH = "file_flash_test.bin"


def new_flash(sector_count: int = 4) -> FileFlash:
    remove()
    return FileFlash(PATH, 256, sector_count)


def remove() -> None:
    try:
        os.remove(PATH)
    except OSError:
        pass


def content(flash: FileFlash, offset: int, size: int) -> bytes:
    buffer = bytearray(size)
    flash.read_into(offset, buffer)
    return bytes(buffer)


def test_new_flash_is_erased() -> None:
    flash = new_flash()
    assert content(flash, 0, 1024) == b"\xff" * 1024
    assert (flash.sector_size, flash.sector_count) == (256, 4)
    flash.close()
    remove()


def test_programming_only_clears_bits() -> None:
    flash = new_flash()
    flash.program(100, b"\xf0\x0f\xff")
    flash.program(100, b"\x3c\x3c\x00")
    assert content(flash, 99, 5) == b"\xff\x30\x0c\x00\xff"
    flash.close()
    remove()


def test_erasing_one_sector_leaves_the_others() -> None:
    flash = new_flash()
    for sector in range(4):
        flash.program(sector * 256, b"\x00" * 256)
    flash.erase(2)
    expected = b"\x00" * 512 + b"\xff" * 256 + b"\x00" * 256
    assert content(flash, 0, 1024) == expected
    flash.close()
    remove()


def test_content_is_there_again_after_reopening() -> None:
    flash = new_flash()
    flash.program(5, b"kept")
    flash.sync()
    flash.close()
    flash = FileFlash(PATH, 256, 4)
    assert content(flash, 5, 4) == b"kept"
    flash.close()
    remove()


def test_a_file_cut_short_is_filled_up_with_erased_bytes() -> None:
    flash = new_flash()
    flash.program(0, b"\x00" * 300)
    flash.close()
    with open(PATH, "rb") as file:
        kept = file.read(300)
    with open(PATH, "wb") as file:
        file.write(kept)
    flash = FileFlash(PATH, 256, 4)
    assert content(flash, 0, 1024) == b"\x00" * 300 + b"\xff" * 724
    flash.close()
    assert os.stat(PATH)[6] == 1024
    remove()


def test_a_larger_file_is_refused() -> None:
    new_flash(sector_count=4).close()
    try:
        FileFlash(PATH, 256, 3)
    except ValueError:
        remove()
        return
    assert False


def test_outside_of_the_flash_is_refused() -> None:
    flash = new_flash()
    for offset, data in ((1023, b"ab"), (-1, b"a")):
        try:
            flash.program(offset, data)
        except ValueError:
            continue
        assert False
    flash.close()
    remove()
