"""Keys, images and releases on the operator's machine."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from boards import image
from protocols import cose_sign, rs256
from protocols.archive import Archive
from protocols.manifest import split_release
from tests.protocols.release_key import release


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_a_release_that_was_signed_here_holds_on_a_board(tmp_path: Path) -> None:
    modulus = bytes.fromhex(image.make_key(tmp_path / "key.pem"))
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    folder = tmp_path / "agent"
    (folder / "links").mkdir(parents=True)
    (folder / "main.mpy").write_bytes(b"main")
    (folder / "links/tcp.mpy").write_bytes(b"tcp")
    (folder / "notes.txt").write_bytes(b"not for the board")
    data = image.read_image(folder)
    key = image.read_key(tmp_path / "key.pem")
    target = (["pico-w"], ["river-gauge"])
    message, manifest, found = split_release(
        image.sign(key, data, target, version="0.2.0", counter=3)
    )
    _, digest, signature = cose_sign.split(message)
    assert rs256.is_valid(modulus, digest, signature) and found == data
    assert (manifest.boards, manifest.profiles, manifest.counter) == (*target, 3)

    def read_into(offset: int, buf: bytearray) -> None:
        buf[:] = data[offset : offset + len(buf)]

    assert [row[0] for row in Archive(read_into).rows()] == ["links/tcp.mpy", "main.mpy"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    image.make_key(tmp_path / "key.pem")
    with pytest.raises(image.ImageError, match="cannot be written"):
        image.make_key(tmp_path / "key.pem")


def test_what_is_no_key_of_ours_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    for content, why in (
        (b"", "no private key"),
        (pem(rsa.generate_private_key(65537, 3072)), "no RSA key of 2048 bits"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "no RSA key of 2048 bits"),
        (pem(rsa.generate_private_key(3, 2048)), "another exponent"),
    ):
        path.write_bytes(content)
        with pytest.raises(image.ImageError, match=why) as caught:
            image.read_key(path)
        assert caught.value.remedy
    with pytest.raises(image.ImageError, match="cannot be read"):
        image.read_key(tmp_path / "none.pem")


def test_what_makes_no_release_is_named(tmp_path: Path) -> None:
    image.make_key(tmp_path / "key.pem")
    key = image.read_key(tmp_path / "key.pem")
    with pytest.raises(image.ImageError, match="no manifest: size"):
        image.sign(key, bytes(800_000), (["pico-w"], []), version="1", counter=1)
    with pytest.raises(image.ImageError, match="no manifest: names"):
        image.sign(key, b"x", ([], []), version="1", counter=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(image.ImageError, match="no file of an agent"):
        image.read_image(tmp_path / "empty")
    with pytest.raises(image.ImageError, match="cannot be read"):
        image.read_image(tmp_path / "none")


def test_a_release_file_is_read_only_if_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.release"
    path.write_bytes(release(b"image"))
    with pytest.raises(image.ImageError, match="no whole release"):
        image.read_release(path)
    with pytest.raises(image.ImageError, match="cannot be read"):
        image.read_release(tmp_path / "none")


def test_the_boot_part_is_small() -> None:
    files = image.boot_files("pico-w")
    assert b"slots.choose()" in files["main.py"] and "boot/agent/slots.mpy" in files
    assert not [name for name in files if "drivers" in name or "main.mpy" in name]
    assert sum(map(len, files.values())) < 24 * 1024
