"""What an image leaves out or calls otherwise, so that a board's heap holds the agent.

That the result behaves as the source does, frame for frame: tests/test_far_agent.py.
"""

import ast
from collections.abc import Iterator

import pytest

from boards.build import modules_of
from boards.folding import folded, with_drivers
from boards.profiles import device_profiles
from boards.renaming import PRIVATE, renamed
from boards.shaking import shaken

LARGEST = "bridge-node"
MODULES = sorted({name for profile in device_profiles() for name in modules_of(profile)})


def names(tree: ast.AST) -> list[str]:
    """Return the variables and attributes of a tree, in the order of the code."""
    found = [getattr(node, "id", None) or getattr(node, "attr", None) for node in ast.walk(tree)]
    return [name for name in found if name is not None]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Step through all functions of a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_constants_of_other_modules_become_numbers() -> None:
    text = ast.unparse(folded("agent.update"))
    assert "CHUNK_SIZE" not in text and "self._offset % 4096 == 0" in text
    assert (
        "TYPE_CHECKING" not in text and "agent.slots" not in text
    )  # no more than ARMED was asked
    assert "DETECTOR_ROWS" in ast.unparse(folded("agent.config_checks"))


def test_a_constant_beyond_a_small_integer_keeps_its_place() -> None:
    assert "COUNTER_MAX = const(2147483647)" in ast.unparse(renamed(folded("protocols.manifest")))


@pytest.mark.parametrize("module", MODULES)
def test_short_names_are_one_for_each_name(module: str) -> None:
    before, after = names(folded(module)), names(renamed(folded(module)))
    pairs = {pair for pair in zip(before, after, strict=True) if PRIVATE.fullmatch(pair[0])}
    assert len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("module", MODULES)
def test_functions_keep_their_names_and_the_count_of_their_parameters(module: str) -> None:
    for before, after in zip(
        functions(folded(module)), functions(renamed(folded(module))), strict=True
    ):
        assert before.name == after.name
        taken = [each.arg for each in after.args.args]
        assert len(set(taken)) == len(taken) == len(before.args.args)


def test_parameters_that_a_call_names_keep_their_names() -> None:
    asked = {
        node.arg
        for module in MODULES
        for node in ast.walk(renamed(folded(module)))
        if isinstance(node, ast.keyword) and node.arg
    }
    for module in MODULES:
        for before, after in zip(
            functions(folded(module)), functions(renamed(folded(module))), strict=True
        ):
            kept = [
                each.arg
                for each in (*before.args.args, *before.args.kwonlyargs)
                if each.arg in asked
            ]
            assert set(kept) <= {each.arg for each in (*after.args.args, *after.args.kwonlyargs)}


def test_an_image_lacks_the_other_end_of_the_wire() -> None:
    trees = shaken({name: with_drivers(folded(name), []) for name in modules_of(LARGEST)})
    session = {node.name for node in trees["protocols.session"].body if hasattr(node, "name")}
    assert "DeviceSession" in session and "HubSession" not in session
    assert "decode_batch" not in {each.name for each in functions(trees["protocols.batch"])}
    assert "REASONS =" not in ast.unparse(trees["protocols.errors"])
    assert "choose" not in {each.name for each in functions(trees["agent.slots"])}  # the boot's
    assert "main" in {each.name for each in functions(trees["agent.start"])}


def test_tables_of_drivers_have_those_of_the_board() -> None:
    tree = with_drivers(folded("agent.driver_rows"), ["adxl355", "tmp117"])
    text = ast.unparse(tree)
    assert "'adxl355'" in text and "'tmp117'" in text and "'hx711'" not in text
    assert "'hx711'" in ast.unparse(folded("agent.driver_rows"))
