"""`hinomi hub update` on the command line, without a running hub."""

import json
import subprocess
from pathlib import Path

from hub import config
from hub.update import FOLDER, ORDER
from protocols.manifest import join_release
from tests.hub.hub_process import command
from tests.ports import free_port
from tests.protocols.release_key import release

IMAGE = b"image"


def call(*words: str | Path) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of `hinomi hub update ..`."""
    line = command("update", *map(str, words))
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def hub_in(folder: Path) -> Path:
    """Make a hub with three devices; return its hub.toml."""
    path = config.init(folder / "hub", {("console", "port"): free_port()})
    for name, kind in (("river-1", "river"), ("home-1", "home"), ("river-2", "river")):
        device = config.Device(name, name.encode().ljust(32, b"."), kind)
        config.enroll(folder / "hub" / "devices.toml", device)
    return path


def test_key_and_sign_make_a_release(tmp_path: Path) -> None:
    code, modulus, _ = call("key", tmp_path / "key.pem")
    assert code == 0 and len(modulus.strip()) == 512
    (tmp_path / "image").write_bytes(IMAGE)
    out = tmp_path / "a.release"
    words = ("--version", "0.2.0", "--counter", "2", "--boards", "pico-w, esp32-s3")
    code, output, error = call(
        "sign", tmp_path / "key.pem", tmp_path / "image", *words, "--out", out
    )
    assert code == 0 and "version 0.2.0, counter 2" in output and out.stat().st_size > 256, error
    code, _, error = call("sign", tmp_path / "none", tmp_path / "image", *words)
    assert code == 1 and len(error.splitlines()) == 2 and "Traceback" not in error


def test_start_leaves_an_order_for_the_devices_that_are_meant(tmp_path: Path) -> None:
    path = hub_in(tmp_path)
    file = tmp_path / "a.release"
    file.write_bytes(join_release(release(IMAGE, "0.3.0"), IMAGE))
    words = ("--config", path, "--kind", "river", "--force")
    code, output, error = call("start", file, *words)
    assert code == 0 and "0.3.0 of 2 devices" in output and "when it starts" in error
    folder = tmp_path / "hub/data" / FOLDER
    order = json.loads((folder / ORDER).read_text())
    assert order["devices"] == ["river-1", "river-2"] and order["force"] is True
    assert (folder / order["file"]).read_bytes() == file.read_bytes()
    assert order["actor"].startswith("operator ")


def test_what_cannot_be_is_said_in_two_sentences(tmp_path: Path) -> None:
    path = hub_in(tmp_path)
    file = tmp_path / "a.release"
    file.write_bytes(join_release(release(IMAGE), IMAGE)[:-1])
    for words, why in (
        (("start", file, "--config", path), "no whole release"),
        (("status", "--config", path), "No hub answers"),
    ):
        code, _, error = call(*words)
        assert code == 1 and why in error and len(error.splitlines()) == 2, error
    file.write_bytes(join_release(release(IMAGE), IMAGE))
    code, _, error = call("start", file, "--config", path, "--devices", "river-9")
    assert code == 1 and "river-9 is not enrolled" in error
    code, _, error = call("start", file, "--config", path, "--kind", "slope")
    assert code == 1 and "No device is meant" in error
