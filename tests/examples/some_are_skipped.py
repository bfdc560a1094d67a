"""What conftest must refuse in CI; run by tests/test_no_skip.py only."""

import pytest

from tests.real_parts import PARTS, Part, need


def test_for_another_day() -> None:
    pytest.skip("not today")


def test_that_drives_a_part_that_is_missing() -> None:
    PARTS["flux capacitor"] = Part(("no-such-program",), "sudo apt-get install flux-capacitor")
    need("flux capacitor")


@pytest.mark.xfail(reason="known")
def test_known_to_fail() -> None:
    raise AssertionError


async def test_that_waits(tmp_path: object) -> None:
    assert tmp_path
