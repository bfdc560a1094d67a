"""Checks of an installed hub that change nothing, whether the hub runs or not.

Each returns findings (hub.diagnosis); those of the network are in hub.doctor_network.
"""

import fcntl
import os
import sqlite3
import stat
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hub.clock import Clock, HostClock
from hub.config import Config, load
from hub.diagnosis import FAIL, OK, WARN, Finding
from hub.doctor_alerts import check_alerts
from hub.doctor_desk import check_desk
from hub.doctor_devices import check_devices
from hub.doctor_network import check_ports, check_uplinks, own_page
from hub.settings import SettingsError
from hub.timekeeping import MADE_UTC_US

FSYNC_COUNT = 15
FSYNC_WARN_MS, FSYNC_FAIL_MS = 50, 1000
MEMORY_MIN_MIB = 200  # what a hub holds at most
INODES_MIN = 1000
PYTHON_MIN, SQLITE_MIN = (3, 11), (3, 37, 0)
FUTURE_S_MAX = 120  # a file that was written later than now: the clock was set back


def examine(path: Path, clock: Clock | None = None) -> list[Finding]:
    """Return the findings of all checks. path: hub.toml."""
    try:
        config = load(path)
    except SettingsError as error:
        return [
            Finding("settings", FAIL, (error.cause, error.cause), (error.remedy, error.remedy))
        ]
    text = (f"{path} は正しく読めます", f"{path} is right")
    found = [Finding("settings", OK, text)]
    is_running = is_locked(config.data)
    page = own_page(config) if is_running else None
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        check_versions,
        check_memory,
        lambda: check_rights(config),
        lambda: check_disk(config),
        lambda: check_fsync(config.data),
        lambda: check_store(config),
        lambda: check_clock(config, clock or HostClock()),
        lambda: check_ports(config, page, is_running=is_running),
        lambda: check_uplinks(config),
        lambda: check_devices(page),
        lambda: check_desk(config),
        lambda: check_alerts(config, (clock or HostClock()).utc_us(), page),
    )
    for check in checks:
        try:
            found.extend(check())
        except OSError as error:
            name = str(error.filename or config.folder)
            texts = (f"{name}: {error.strerror}", f"{name}: {error.strerror}")
            remedy = ("権限とディスクを確認してください。", "Check its rights and the disk.")
            found.append(Finding("files", FAIL, texts, remedy))
    return found


def check_versions() -> Iterator[Finding]:
    """Python and SQLite are new enough."""
    shown = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info < PYTHON_MIN or sqlite3.sqlite_version_info < SQLITE_MIN:
        least = ".".join(map(str, SQLITE_MIN))
        yield Finding(
            "versions",
            FAIL,
            (f"{shown} は古すぎます", f"{shown} is too old"),
            (
                f"Python 3.11、SQLite {least} 以上を入れてください。",
                f"Install Python 3.11 and SQLite {least} or newer.",
            ),
        )
    else:
        yield Finding("versions", OK, (shown, shown))


def check_memory(file: Path = Path("/proc/meminfo")) -> Iterator[Finding]:
    """There is room for the hub."""
    rows = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
    free_mib = int(rows["MemAvailable"].split()[0]) >> 10
    text = (f"空きメモリ {free_mib} MiB", f"{free_mib} MiB of memory are free")
    remedy = (
        "ほかのプログラムを止めるか、メモリを増やしてください。",
        "Stop other programs, or use a machine with more memory.",
    )
    is_low = free_mib < MEMORY_MIN_MIB
    yield Finding("memory", WARN if is_low else OK, text, remedy if is_low else ("", ""))


def _private(config: Config) -> list[Path]:
    """Return the files beside the devices' that hold secrets, where there are any."""
    names = (config.tables["hub"]["operators"], config.tables["console"]["key"])
    return [config.folder / name for name in names if name and (config.folder / name).is_file()]


def check_rights(config: Config) -> Iterator[Finding]:
    """Secrets are their owner's alone, and one user owns all."""
    owners = set()
    devices = config.folder / str(config.tables["hub"]["devices"])
    for path in (config.folder / "hub.secret", devices, *_private(config)):
        found = path.stat()
        owners.add(found.st_uid)
        if stat.S_IMODE(found.st_mode) & 0o077:
            yield Finding(
                "rights",
                FAIL,
                (f"{path} を他人が読めます", f"others may read {path}"),
                (f"chmod 600 {path} を実行してください。", f"Run: chmod 600 {path}"),
            )
    if config.data.exists():
        owners |= {path.stat().st_uid for path in (config.data, *config.data.glob("hub.*"))}
        if not os.access(config.data, os.W_OK):
            yield Finding(
                "rights",
                FAIL,
                (f"{config.data} に書けません", f"{config.data} cannot be written"),
                (
                    "ハブを動かす利用者で実行するか、フォルダーの所有者を直してください。",
                    "Run this as the hub's user, or mend the owner of the folder.",
                ),
            )
    if len(owners) > 1:
        yield Finding(
            "rights",
            WARN,
            ("ファイルの所有者がそろっていません", "the files have several owners"),
            (
                f"chown -R 利用者: {config.folder} で、ハブの利用者にそろえてください。",
                f"Give all to the hub's user: chown -R USER: {config.folder}",
            ),
        )
    else:
        yield Finding("rights", OK, ("鍵とデータの所有者はそろっています", "one user owns all"))


def check_disk(config: Config) -> Iterator[Finding]:
    """What the store may still grow by fits on the disk."""
    disk = os.statvfs(_existing(config.data))
    free = disk.f_bavail * disk.f_frsize
    used = sum(path.stat().st_size for path in config.data.glob("hub.sqlite*"))
    wanted = max(0, (int(config.tables["store"]["size_max_mib"]) << 20) - used)
    shown = (
        f"空き {free >> 20} MiB、ストアの残り枠 {wanted >> 20} MiB",
        f"{free >> 20} MiB free, the store may grow by {wanted >> 20} MiB",
    )
    if free < wanted:
        least = max(64, (used + free * 9 // 10) >> 20)
        yield Finding(
            "disk",
            WARN if free > wanted // 4 else FAIL,
            shown,
            (
                f"store.size_max_mib を {least} 以下にするか、ディスクを空けてください。",
                f"Lower store.size_max_mib to {least}, or free space on the disk.",
            ),
        )
    else:
        yield Finding("disk", OK, shown)
    if disk.f_files and disk.f_favail < INODES_MIN:
        yield Finding(
            "disk",
            FAIL,
            (
                f"空き inode が {disk.f_favail} しかありません",
                f"only {disk.f_favail} inodes are free",
            ),
            (
                "小さなファイルを大量に作っているものを探して消してください。",
                "Find and delete what made so many small files.",
            ),
        )


def check_fsync(data: Path) -> Iterator[Finding]:
    """A flush to the disk is fast enough, measured where the store is."""
    took_ms = []
    with tempfile.TemporaryFile(dir=_existing(data)) as file:
        for _ in range(FSYNC_COUNT):
            file.write(bytes(4096))
            began_ns = time.monotonic_ns()
            file.flush()
            os.fdatasync(file.fileno())
            took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
    median_ms, most_ms = statistics.median(took_ms), max(took_ms)
    text = (
        f"書き込み確定 中央値 {median_ms:.1f} ms、最大 {most_ms:.1f} ms",
        f"a flush takes {median_ms:.1f} ms (median), {most_ms:.1f} ms at most",
    )
    if median_ms < FSYNC_WARN_MS:
        yield Finding("flush", OK, text)
    else:
        yield Finding(
            "flush",
            FAIL if median_ms >= FSYNC_FAIL_MS else WARN,
            text,
            (
                "SSD か高耐久の SD カードに替えてください。",
                "Use an SSD, or an SD card made for constant writing.",
            ),
        )


def check_store(config: Config) -> Iterator[Finding]:
    """The store can be read; a deep check is another command's."""
    path = config.data / "hub.sqlite"
    hint = ("詳しい検査: hinomi hub verify", "for a deep check: hinomi hub verify")
    if not path.exists():
        text = (
            "まだストアがありません（最初の起動で作られます）",
            "there is no store yet; the first start makes it",
        )
        yield Finding("store", OK, text)
        return
    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5) as db:
            db.execute("SELECT count(*) FROM meta").fetchone()
        db.close()
    except sqlite3.Error as error:
        yield Finding(
            "store",
            FAIL,
            (f"{path} を読めません: {error}", f"{path}: {error}"),
            (
                "ハブを起動すると壊れたストアは退避され、読める分が救出されます。",
                "Start the hub: a damaged store is set aside and salvaged.",
            ),
        )
        return
    quarantined = sorted(one.name for one in config.data.glob("quarantine-*"))
    if quarantined:
        shown = ", ".join(quarantined[:3])
        yield Finding(
            "store",
            WARN,
            (
                f"退避された壊れたストアがあります: {shown}",
                f"damaged stores were set aside: {shown}",
            ),
            (
                "原因のディスクを調べ、救出の結果を hinomi hub gaps で確認してください。",
                "Check the disk, and see by `hinomi hub gaps` what was lost.",
            ),
        )
    else:
        yield Finding("store", OK, (f"読めます（{hint[0]}）", f"can be read; {hint[1]}"))


def check_clock(config: Config, clock: Clock) -> Iterator[Finding]:
    """UTC is plausible, and somebody keeps it right; the data does not hang on it."""
    utc_us = clock.utc_us()
    remedy = (
        "ネットワーク時刻（timedatectl set-ntp true、または chrony）を有効にしてください。",
        "Turn on network time: timedatectl set-ntp true, or chrony.",
    )
    newest_s = max(path.stat().st_mtime for path in config.folder.rglob("*") if path.is_file())
    zone = time.strftime("%Z")
    shown = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(utc_us / 1e6))
    if utc_us < MADE_UTC_US or newest_s > utc_us / 1e6 + FUTURE_S_MAX:
        yield Finding(
            "clock",
            FAIL,
            (f"時計が遅れています: {shown}", f"the clock is behind: {shown}"),
            remedy,
        )
    elif not clock.is_synchronised():
        yield Finding(
            "clock",
            WARN,
            (
                f"時計は同期されていません: {shown}",
                f"no time source keeps the clock right: {shown}",
            ),
            remedy,
        )
    else:
        yield Finding("clock", OK, (f"同期しています: {shown}", f"synchronised: {shown}"))
    yield Finding("time zone", OK, (f"{zone}（記録は常に UTC）", f"{zone}; records are in UTC"))


def is_locked(data: Path) -> bool:
    """Tell whether a hub runs on this folder."""
    try:
        descriptor = os.open(data / "hub.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
