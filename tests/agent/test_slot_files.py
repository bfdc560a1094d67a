"""The files of a slot, as the interpreter's file system asks for them."""

from agent.slot_files import SlotFiles
from agent.slots import Slot
from protocols.archive import pack
from protocols.manifest import CHUNK_SIZE
from simulators.storage import SimFlash

FOLDER = 0x4000
FILE = 0x8000
FILES = {"agent/main.py": b"main", "agent/hal/io.py": b"x" * 5000, "boot.json": b""}


def mounted() -> SlotFiles:
    """Return the files of a slot."""
    flash = SimFlash(sector_count=4)
    image = pack(FILES)
    flash.data[CHUNK_SIZE : CHUNK_SIZE + len(image)] = image
    return SlotFiles(Slot(flash))


def is_missing(call: "object", path: str, *more: str) -> bool:
    """Tell whether the call says ENOENT."""
    try:
        call(path, *more)  # type: ignore[operator]
    except OSError as error:
        return bool(error.args[0] == 2)
    return False


def test_folders_and_files_have_their_kind_and_size() -> None:
    files = mounted()
    assert files.stat("/")[0] == files.stat("/agent")[0] == files.stat("agent/hal/")[0] == FOLDER
    status = files.stat("/agent/hal/io.py")
    assert (status[0], status[6], len(status)) == (FILE, 5000, 10)
    for path in ("/agen", "/agent/main", "/main.py", "/agent/main.py/x"):
        assert is_missing(files.stat, path), path


def test_each_folder_lists_what_is_in_it() -> None:
    files = mounted()
    assert sorted(files.ilistdir("/")) == [("agent", FOLDER, 0, 0), ("boot.json", FILE, 0, 0)]
    assert sorted(files.ilistdir("/agent")) == [("hal", FOLDER, 0, 0), ("main.py", FILE, 0, 4)]
    assert list(files.ilistdir("/agent/hal")) == [("io.py", FILE, 0, 5000)]
    assert list(files.ilistdir("/none")) == []


def test_files_are_read_in_pieces_of_any_size() -> None:
    files = mounted()
    for size in (1, 7, 256, 4096, 6000):
        file = files.open("/agent/hal/io.py", "rb")
        whole = b""
        buf = bytearray(size)
        while True:
            count = file.readinto(buf)
            if not count:
                break
            whole += bytes(buf[:count])
        assert whole == FILES["agent/hal/io.py"], size
    with files.open("agent/main.py", "r") as file:
        assert file.read(2) == b"ma" and file.read() == b"in" and file.read() == b""
        assert file.ioctl(4, 0) == 0 and file.ioctl(11, 0) < 0


def test_nothing_can_be_written() -> None:
    files = mounted()
    for mode in ("w", "a", "r+", "wb", "x"):
        try:
            files.open("/boot.json", mode)
        except OSError as error:
            assert error.args[0] == 30
        else:
            assert False, mode
    assert is_missing(files.open, "/none", "r")
    assert files.statvfs("/")[3] == 0


def test_a_folder_can_be_the_current_one() -> None:
    files = mounted()
    files.chdir("/agent")
    assert files.getcwd() == "/agent" and files.stat("main.py")[6] == 4
    files.chdir("hal")
    assert files.getcwd() == "/agent/hal" and files.open("io.py", "r").read(1) == b"x"
    assert is_missing(files.chdir, "/none")
    try:
        files.chdir("/boot.json")
    except OSError:
        pass
    else:
        assert False, "a file is no folder"
