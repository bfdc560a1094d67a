"""`hinomi agent` on Linux: the file, what Linux lends, what answers on the bus, the service."""

import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent import commands
from agent.hal import on_blinka
from agent.hal.on_blinka import BlinkaBoard
from agent.pi import access, buses, notify, service, settings
from agent.pi.problem import PiError
from agent.pi.run import Lock
from simulators import chips
from simulators.board import SimBoard
from simulators.clock import HandClock
from simulators.signals.basic import Constant
from tests.blinka_parts import WIRING, parts_of

AIR = '[[sensors]]\nname = "air"\ndriver = "tmp117"\ni2c = 0\n[policy.normal]\n'
run = CliRunner().invoke


def written(folder: Path, more: str = "") -> Path:
    """Return an agent.toml as `init` writes it, with `more` in place of its sensors."""
    path = folder / "agent.toml"
    settings.write(path, "river-1", "192.0.2.1", "5a" * 32)
    if more:
        text = path.read_text()
        path.write_text(text[: text.index("# One table for each sensor")] + more)
    return path


def board_with(*rows: dict[str, object]) -> tuple[SimBoard, BlinkaBoard]:
    simulated = SimBoard(HandClock())
    for row in rows:
        chip = chips.create(str(row["driver"]), simulated.world_clock, Constant(20.0))
        simulated.add(chip, row)
    return simulated, BlinkaBoard(WIRING, parts=parts_of(simulated), clock=simulated.clock)


def test_init_writes_a_file_that_is_good_and_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    words = ["init", "--device", "r-1", "--hub", "192.0.2.1:99", "--config", str(path)]
    assert run(commands.app, words).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = settings.load(path)
    assert (loaded.config.device, loaded.config.host, loaded.config.port) == (
        "r-1",
        "192.0.2.1",
        99,
    )
    assert loaded.wiring["flash"] == (tmp_path / "hinomi-log.bin", 4096)
    with pytest.raises(PiError, match="is there already"):
        settings.write(path, "r-1", "192.0.2.1", "")


def test_a_name_that_does_not_fit_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(PiError, match="device is empty or too long"):
        settings.write(tmp_path / "agent.toml", "x" * 17, "192.0.2.1", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ("[machine]\nflash_kb = 1\n", "machine.flash_kb is unknown"),
        ("[machine]\nserial = [3]\n", "machine.serial does not fit: 3"),
        ('[[sensors]]\nname = "air"\ndriver = "tmp118"\n', "sensors.0..driver is unknown: tmp118"),
        ("[machine\n", "is no TOML"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(
    tmp_path: Path, more: str, cause: str
) -> None:
    path = written(tmp_path)
    text = path.read_text()
    cut = "[machine]" if "machine" in more else "# One table for each sensor"
    path.write_text(text[: text.index(cut)] + more + "\n[policy.normal]\n")
    with pytest.raises(PiError, match=cause) as caught:
        settings.load(path)
    assert caught.value.exit_code == 2 and caught.value.remedy


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(PiError) as caught:
        settings.load(tmp_path / "agent.toml")
    assert "hinomi agent init" in caught.value.remedy


def test_what_is_not_enabled_or_not_lent_is_named_with_its_remedy(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, AIR))
    with pytest.raises(PiError, match="air needs I2C, which is not enabled") as caught:
        access.check(loaded.config, loaded.wiring, tmp_path)
    assert "dtparam=i2c_arm=on" in caught.value.remedy
    node = tmp_path / "i2c-1"
    node.touch(mode=0o600)
    access.check(loaded.config, loaded.wiring, tmp_path)
    node.unlink()


def test_a_device_that_is_not_lent_names_the_group(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # root may open everything: what is no device at all stands for it
        (tmp_path / "spidev0.0").symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / "spidev0.0").touch(mode=0)
    with pytest.raises(PiError, match="may not open") as caught:
        access.require("spi", "The scan", tmp_path)
    assert "usermod -aG spi" in caught.value.remedy


def test_a_serial_sensor_needs_a_path_that_is_there(tmp_path: Path) -> None:
    gauge = '[[sensors]]\nname = "level"\ndriver = "a02yyuw"\nuart = {}\nheight_mm = 4800\n'
    policy = "[policy.normal]\n"
    loaded = settings.load(written(tmp_path, gauge.format(3) + policy))
    with pytest.raises(PiError, match="serial port 3, which has no path"):
        access.check(loaded.config, loaded.wiring)
    loaded.wiring["uart"][3] = str(tmp_path / "ttyAMA0")
    with pytest.raises(PiError, match="not enabled"):
        access.check(loaded.config, loaded.wiring)


def test_a_scan_finds_who_answers_and_draws_them() -> None:
    _, board = board_with({"driver": "tmp117", "i2c": 0}, {"driver": "adxl355", "i2c": 0})
    found = buses.scan(board.i2c(0))
    assert found == [0x1D, 0x49]
    drawn = buses.table(found)
    assert "10: -- -- -- -- -- -- -- -- -- -- -- -- -- 1d -- --" in drawn
    assert "0x49: tmp117, ads1115" in drawn
    assert buses.table([]).endswith("Nobody answers.")


def test_a_bus_that_hangs_says_so() -> None:
    simulated, board = board_with({"driver": "tmp117", "i2c": 0})
    simulated.chips[0].fault = "stuck_bus"
    with pytest.raises(PiError, match="held low"):
        buses.scan(board.i2c(0))


def test_check_shows_the_bus_when_a_sensor_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "i2c-1").touch()
    monkeypatch.setattr(access.check, "__defaults__", (tmp_path,))
    for rows, code in (([{"driver": "tmp117", "i2c": 0}], 0), ([], 1)):
        _, board = board_with(*rows)
        monkeypatch.setattr(commands, "open_board", lambda wiring, board=board: board)
        path = written(tmp_path, AIR)
        done = run(commands.app, ["check", "--config", str(path)])
        path.unlink()
        assert done.exit_code == code, done.output
        assert ("air: works" in done.output) == (code == 0)
        assert ("Nobody answers." in done.output) == (code == 1)


def test_a_machine_without_blinka_is_told_how_to_get_it() -> None:
    error = OSError(19, "board cannot be used here (No module); install with: pip install 'x[pi]'")
    problem = commands._of_board(error)
    assert problem.cause == "board cannot be used here (No module)."
    assert problem.remedy == "Install with: pip install 'x[pi]'"


def test_a_log_belongs_to_one_agent(tmp_path: Path) -> None:
    flash = tmp_path / "log.bin"
    lock = Lock(flash)
    with pytest.raises(PiError, match="Another agent"):
        Lock(flash)
    lock.close()
    Lock(flash).close()


def test_the_unit_names_file_user_and_the_groups_that_are_here(tmp_path: Path) -> None:
    path = tmp_path / "a b%" / "agent.toml"
    text = service.unit(path, "pi", ["i2c", "gpio"], "/usr/bin/python3")
    assert f'ReadWritePaths="{tmp_path}/a b%%"\n' in text
    assert "SupplementaryGroups=i2c gpio\n" in text and "User=pi\n" in text
    assert "{" not in text
    assert service.groups_here(["root", "no-such-group"]) == ["root"]
    assert service.install(path, "pi", tmp_path)[0] == "systemctl daemon-reload"
    with pytest.raises(PiError, match="cannot be written"):
        service.install(path, "pi", tmp_path / "none")


def test_the_service_manager_hears_of_start_and_life(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notifier = notify.Notifier(str(tmp_path / "notify"))
        notifier.tell(notify.READY)
        notifier.feed()
        assert [manager.recv(99), manager.recv(99)] == [b"READY=1", b"WATCHDOG=1"]
    notifier.feed()  # nobody is there any more
    notify.Notifier("").feed()


def test_a_program_that_begins_on_a_running_machine_was_not_powered_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text, cause in (("12.0 3.0", "power_on"), ("9999.0 3.0", "software"), ("", "power_on")):
        (tmp_path / "uptime").write_text(text)
        monkeypatch.setattr(on_blinka, "UPTIME", tmp_path / "uptime")
        assert board_with()[1].reset_cause == cause
