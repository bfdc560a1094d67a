"""The mutation check itself: what it breaks, and which tests it runs."""

import ast

from agent.drivers import DRIVERS
from tests.mutate import EVERY_PAIR, SHARED, file_of, files_of, mutants_of, reasons_of
from tests.sources import REPOSITORY

CODE = '''"""Docstring with 1 and 2."""

def read(self, count: int) -> int:
    """Return 3."""
    if count < 2:
        raise ValueError("needs 2, not " + str(count))
    self.clear(4)
    return count << 5
'''


def test_every_sort_of_change_is_made_once_and_words_are_left_alone() -> None:
    found = [(mutant.line, mutant.what) for mutant in mutants_of(CODE)]
    assert found == [
        (5, "condition negated"),
        (5, "comparison"),
        (5, "constant + 1"),
        (6, "raise left out"),
        (7, "call left out"),
        (7, "constant + 1"),
        (8, "operator"),
        (8, "constant + 1"),
    ]


def test_every_mutant_is_another_program() -> None:
    codes = [mutant.code for mutant in mutants_of(CODE)]
    whole = ast.unparse(ast.parse(CODE))
    assert len({whole, *codes}) == 1 + len(codes)
    for code in codes:
        compile(code, "mutant", "exec")


def test_every_driver_has_tests_of_its_own_beside_the_table() -> None:
    for driver in DRIVERS:
        *own, table = files_of(driver)
        assert own and table == EVERY_PAIR


def test_every_explained_line_is_still_there() -> None:
    for driver in [*DRIVERS, *SHARED]:
        text = (REPOSITORY / file_of(driver)).read_text(encoding="utf-8")
        lines = {line.strip() for line in text.splitlines()}
        assert {code for _, code in reasons_of(driver)} <= lines
