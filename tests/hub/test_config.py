"""hub.toml and devices.toml: what is wrong is named by line, setting and what is allowed."""

import stat
from pathlib import Path
from typing import Any

import pytest

from hub import config
from hub.config import DEVICE_ROWS, ROWS, Device
from hub.settings import Row, SettingsError

SECRET = bytes(range(32))


def wrong_values(row: Row) -> list[str]:
    """Return what may not stand there, as TOML: another type and what is out of bounds."""
    wrong = ["2020-01-01", "1" if row.sort is list else "[1]"]
    if row.sort is str:
        wrong += ["7", '"a\\nb"', '"a\\u0007b"']
        if row.low:
            wrong.append('""')
        if row.high:
            wrong.append('"' + "x" * (int(row.high) + 1) + '"')
            wrong.append('"' + "川" * (int(row.high) // 3 + 1) + '"')
        wrong += [f'"a{mark}b"' for mark in row.without]
        if row.choices:
            wrong.append('"another"')
    elif row.sort is bool:
        wrong += ["1", '"true"']
    elif row.sort is list:
        wrong += ['"7"', "{a = 1}"]
    elif row.choices:
        wrong += ['"7"', "true", "-1"]
    else:
        wrong += ['"7"', "true", "nan", f"{row.low - 1:g}", f"{row.high + 1:g}"]  # type: ignore[operator]
        if row.sort is int:
            wrong.append("1.5")
    return wrong


def given_value(table: str, name: str) -> str:
    """Return something that may stand there, of a setting that must be given."""
    row = next(row for row in ROWS if (row.table, row.name) == (table, name))
    return f'"{row.choices[0] if row.choices else "x" * int(row.low or 1)}"'


def with_line(path: Path, row: Row, text: str) -> int:
    """Put another value into a written file; return the line."""
    lines = path.read_text().splitlines()
    if f"# [[{row.table}]]" in lines:  # there as an example: make a real one of it
        for at in range(lines.index(f"# [[{row.table}]]"), len(lines)):
            example = lines[at].removeprefix("# ")
            if example.startswith("[["):
                table = example.strip("[]")
            if table == row.table and " Allowed: " not in example:
                if example.endswith(" = .."):
                    example = example.replace("..", given_value(table, example.split(" ")[0]))
                lines[at] = example
    table = ""
    for at, line in enumerate(lines):
        if line.startswith("["):
            table = line.strip("[]")
        elif table == row.table and line.startswith(f"{row.name} ="):
            lines[at] = f"{row.name} = {text}"
            path.write_text("\n".join(lines) + "\n")
            return at + 1
    raise AssertionError(f"{row.table}.{row.name} is not in {path}")


def refusal_of(path: Path) -> SettingsError:
    """Return why this hub.toml is refused."""
    with pytest.raises(SettingsError) as caught:
        config.load(path)
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.table}.{row.name}")
def test_every_wrong_value_names_line_setting_and_what_is_allowed(
    tmp_path: Path, row: Row
) -> None:
    path = config.init(tmp_path / "hub")
    written = path.read_text()
    for text in wrong_values(row):
        path.write_text(written)
        line = with_line(path, row, text)
        error = refusal_of(path)
        assert f"hub.toml, line {line}: {row.table}.{row.name} is" in str(error), text
        assert "Allowed: " in error.remedy and row.allowed() in error.remedy


@pytest.mark.parametrize("row", DEVICE_ROWS, ids=lambda row: row.name)
def test_every_wrong_value_of_a_device_is_named_and_no_secret_is_shown(
    tmp_path: Path, row: Row
) -> None:
    path = config.init(tmp_path / "hub")
    devices = path.parent / "devices.toml"
    config.enroll(devices, Device("river-1", SECRET))
    config.enroll(devices, Device("river-2", SECRET))
    written = devices.read_text()
    for text in [*wrong_values(row), *(['"' + "zz" * 32 + '"'] if row.is_secret else [])]:
        devices.write_text(written)
        line = with_line(devices, row, text)
        error = refusal_of(path)
        assert f"devices.toml, line {line}: device.{row.name} is" in str(error), text
        if row.is_secret:
            assert len(text) < 20 or text.strip('"')[:16] not in str(error) + error.remedy


def test_the_line_is_that_of_the_table_that_is_wrong(tmp_path: Path) -> None:
    path = config.init(tmp_path / "hub")
    good = path.read_text()
    path.write_text(good + '\n[[uplink]]\nname = "second"\nport = 0\n')
    last = len(path.read_text().splitlines())
    assert f"line {last}: uplink.port is 0" in str(refusal_of(path))
    path.write_text(good + '\n[[uplink]]\nname = "platform"\n')
    assert f"line {last - 1}: uplink.name is used twice" in str(refusal_of(path))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[hub]\nnmae = 1\n", "line 2: hub.nmae is unknown"),
        ("[hubb]\n", "line 1: hubb is unknown"),
        ("colour = 1\n", "line 1: colour is unknown"),
        ("# hub\nhub.id = 7\n", "line 2: hub.id is 7"),
        ("hub = {id = 7}\n", "line 1: hub.id is 7"),
        ("hub = 3\n", "line 1: hub is not a table"),
        ("[uplink]\n", "line 1: uplink is not a list of tables"),
        ('[hub]\nid = "a\n', "not valid TOML"),
        ("[store]\nthin_percent = 90\n", "store.thin_percent is 90"),
        ("[store]\ndelete_percent = 95\n", "store.delete_percent is 95"),
        ("[quake]\nwatch_class = '7'\n", "quake.disaster_class is '5-'"),
        ('[[river]]\ndevice = "r"\n', "river.device is 'r', which is not enrolled"),
    ],
)
def test_a_broken_file_is_refused_in_words(tmp_path: Path, text: str, wanted: str) -> None:
    path = config.init(tmp_path / "hub")
    path.write_text(text)
    error = refusal_of(path)
    assert wanted in str(error) and "hub.toml" in str(error)
    assert error.remedy.endswith(".")


def test_what_init_writes_loads_back_with_every_default(tmp_path: Path) -> None:
    loaded = config.load(config.init(tmp_path / "hub"))
    examples = {row.table for row in ROWS if row.default is None}
    rows = {(r.table, r.name): r.default for r in ROWS if r.table not in examples}
    assert all(loaded.tables[table] == [] for table in examples)
    read = {
        (table, name): value
        for table, values in loaded.tables.items()
        if table not in examples
        for name, value in (values[0] if isinstance(values, list) else values).items()
    }
    assert read == rows
    assert loaded.devices == {} and len(loaded.secret) == 32


def test_given_values_are_written_and_read(tmp_path: Path) -> None:
    values: dict[tuple[str, str], Any] = {("hub", "id"): '町役場"\\', ("uplink", "port"): 1}
    loaded = config.load(config.init(tmp_path / "hub", values))
    assert loaded.id == '町役場"\\' and loaded.uplinks[0]["port"] == 1


def test_an_empty_file_is_all_defaults_without_an_uplink(tmp_path: Path) -> None:
    path = config.init(tmp_path / "hub")
    path.write_text("")
    assert config.load(path).uplinks == ()


def test_init_never_overwrites(tmp_path: Path) -> None:
    path = config.init(tmp_path / "hub")
    secret = (path.parent / "hub.secret").read_text()
    with pytest.raises(SettingsError, match="exists already"):
        config.init(path.parent)
    path.unlink()
    config.init(path.parent)
    assert (path.parent / "hub.secret").read_text() == secret


def test_secrets_are_readable_by_the_owner_alone_and_not_shown(tmp_path: Path) -> None:
    path = config.init(tmp_path / "hub")
    config.enroll(path.parent / "devices.toml", Device("river-1", SECRET))
    for name in ("hub.secret", "devices.toml"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600
    loaded = config.load(path)
    assert loaded.devices["river-1"].secret == SECRET
    for shown in (repr(loaded), repr(loaded.devices), str(loaded.devices["river-1"])):
        assert SECRET.hex() not in shown and repr(SECRET) not in shown
        assert loaded.secret.hex() not in shown and repr(loaded.secret) not in shown


@pytest.mark.parametrize(
    "device",
    [
        Device("a name that is too long", SECRET),
        Device("川川川川川川", SECRET),
        Device("two\nlines", SECRET),
        Device("river-2", SECRET, kind="volcano"),
        Device("river-1", SECRET),
    ],
)
def test_a_device_that_would_break_the_file_is_refused_before_it_is_written(
    tmp_path: Path, device: Device
) -> None:
    path = config.init(tmp_path / "hub").parent / "devices.toml"
    config.enroll(path, Device("river-1", SECRET, "river", '多摩川 "上流"', "Tama", True))
    before = path.read_text()
    with pytest.raises(SettingsError):
        config.enroll(path, device)
    assert path.read_text() == before
    assert config.load_devices(path)["river-1"].name_ja == '多摩川 "上流"'


def test_a_device_must_not_have_the_name_of_the_hub(tmp_path: Path) -> None:
    path = config.init(tmp_path / "hub")
    config.enroll(path.parent / "devices.toml", Device("hub-1", SECRET))
    assert "hub.id is also the name of a device" in str(refusal_of(path))


@pytest.mark.parametrize("missing", ["hub.toml", "devices.toml", "hub.secret"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    path = config.init(tmp_path / "hub")
    (path.parent / missing).unlink()
    assert missing in str(refusal_of(path))


def test_a_broken_hub_secret_is_named_and_not_shown(tmp_path: Path) -> None:
    path = config.init(tmp_path / "hub")
    (path.parent / "hub.secret").write_text("0badc0de")
    error = refusal_of(path)
    assert "hub.secret" in str(error) and "0badc0de" not in str(error) + error.remedy
