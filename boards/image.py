"""Makes and signs releases on the operator's machine: an image of files, its manifest, its key.

The private key is a PEM file that never leaves that machine; boards get its modulus as
`update_key` of their config.json.
"""

import ast
import os
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from boards.build import ARCHITECTURES, closure, compile_module, target_of
from boards.folding import folded
from boards.profiles import read_board
from boards.renaming import renamed
from protocols import cose_sign
from protocols.archive import pack
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.manifest import encode_manifest, join_release, split_release
from protocols.rs256 import KEY_SIZE, is_modulus

BOOT = "agent.boot"
SUFFIXES = (".mpy", ".py", ".json")


class ImageError(Exception):
    """A release cannot be made or read: one sentence of cause, one of remedy."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def make_key(path: Path) -> str:
    """Write a new private key, readable by its owner only; return the `update_key` of boards."""
    key = rsa.generate_private_key(65537, KEY_SIZE * 8)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        remedy = "Choose a new file in a folder that this user may write."
        raise ImageError(f"{path} cannot be written: {error.strerror}", remedy) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    return modulus_of(key).hex()


def read_key(path: Path) -> rsa.RSAPrivateKey:
    """Return the private key in a PEM file; ImageError for anything but RSA of 2048 bits."""
    remedy = "Name the file that `hinomi hub update key` wrote."
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", remedy) from None
    except (ValueError, TypeError):
        raise ImageError(f"{path} holds no private key without a password", remedy) from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != KEY_SIZE * 8:
        raise ImageError(f"{path} holds no RSA key of {KEY_SIZE * 8} bits", remedy)
    if key.private_numbers().public_numbers.e != 65537 or not is_modulus(modulus_of(key)):
        raise ImageError(f"{path} has another exponent than 65537", remedy)
    return key


def modulus_of(key: rsa.RSAPrivateKey) -> bytes:
    """Return the modulus, what a board needs to verify with."""
    return key.private_numbers().public_numbers.n.to_bytes(KEY_SIZE, "big")


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a built agent, name in the image -> content."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
    }
    if not found:
        raise ImageError(
            f"{folder} holds no file of an agent", "Name the folder of the built agent."
        )
    return found


def boot_files(board: str) -> dict[str, bytes]:
    """Return path -> content of what starts the slots of a board; it is written once.

    KeyError for an unknown board; boards.build.BuildError.
    """
    architecture = ARCHITECTURES[read_board(board)["processor"]]
    files = {"main.py": ast.unparse(renamed(folded(BOOT))).encode()}
    for name in closure([BOOT]):
        if name != BOOT:
            files["boot/" + target_of(name)] = compile_module(name, architecture)
    return files


def read_image(path: Path) -> bytes:
    """Return an image: that of a folder of files, or the file as it is."""
    try:
        return pack(files_of(path)) if path.is_dir() else path.read_bytes()
    except OSError as error:
        cause = f"{path} cannot be read: {error.strerror}"
    except ValueError as error:
        cause = f"{path} makes no image: {error}"
    raise ImageError(cause, "Name an image, or the folder of a built agent.")


def sign(
    key: rsa.RSAPrivateKey, image: bytes, target: tuple[list[str], list[str]], **more: str | int
) -> bytes:
    """Return the release file. target: (boards, profiles); more: version and counter."""
    try:
        payload = encode_manifest(target, str(more["version"]), int(more["counter"]), image)
    except LocalProtocolError as error:
        remedy = "An image has up to 768 KiB; names have 1 to 32 bytes; counters begin at 0."
        raise ImageError(f"This makes no manifest: {error}", remedy) from None
    signed = key.sign(cose_sign.signed_bytes(payload), padding.PKCS1v15(), hashes.SHA256())
    return join_release(cose_sign.seal(payload, signed), image)


def read_release(path: Path) -> bytes:
    """Return a release file that is whole; whether it is trusted, the boards decide."""
    remedy = "Make it again with `hinomi hub update sign`."
    try:
        data = path.read_bytes()
        split_release(data)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", remedy) from None
    except RemoteProtocolError as error:
        raise ImageError(f"{path} is no whole release: {error}", remedy) from None
    return data
