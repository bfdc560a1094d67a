"""Gives short names, used again and again, to what only its own file speaks of.

A board keeps every name in a table in RAM, once: a name costs eight bytes however long it is,
and the table doubles where it is full. So private variables and attributes (`_level`) of files
that have nothing to do with each other get the same names; so do attributes that only the
methods of one file speak of, and parameters that nobody names in a call. Functions, methods and
classes keep theirs, for a traceback must tell where it was; so does whatever stands somewhere as
a string.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

from boards.folding import SOURCES, folded, name_of

PRIVATE = re.compile(r"_[A-Za-z]\w*")
TABLE = re.compile(r"[A-Z][A-Z0-9_]+")  # at the top of a module
ONLY_ON_CPYTHON = ("agent.pi", "agent.commands", "agent.hal.on_blinka", "agent.hal.kernel_onewire")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def renamed(folded_tree: ast.Module) -> ast.Module:
    """Return a copy of the folded tree of a module, or of what is left of it, with short names."""
    tree = ast.parse(ast.unparse(folded_tree))
    shorts = _shorts_of_private_names()
    _Renaming(shorts).visit(tree)
    taken = _names_in(tree.body)
    for function in _outermost_functions(tree.body):
        _rename_parameters(function, taken)
    return tree


@cache
def _modules() -> dict[str, ast.Module]:
    """Return all modules that a board may have, full name -> folded tree."""
    paths = [
        path for folder in ("agent", "protocols") for path in (SOURCES / folder).rglob("*.py")
    ]
    names = sorted(name_of(path) for path in paths)
    return {name: folded(name) for name in names if not name.startswith(ONLY_ON_CPYTHON)}


@cache
def _spoken() -> frozenset[str]:
    """Return all names of strings, keywords, imports and code, and what several files speak of."""
    found: set[str] = set()
    for tree in _modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.keyword | ast.alias):
                found |= {node.arg} if isinstance(node, ast.keyword) and node.arg else set()
                found |= {node.name} if isinstance(node, ast.alias) else set()
            elif isinstance(node, Function | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("const("):
                # The compiler puts its value wherever the name stands in the file.
                found.add(ast.unparse(node.targets[0]))
    return frozenset(found) | _shared_attributes()


@cache
def _shared_attributes() -> frozenset[str]:
    """Return the public attributes of which several modules speak, or one not only of its own."""
    places: dict[str, set[str]] = {}
    for name, tree in _modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and not PRIVATE.fullmatch(node.attr):
                owner = name if ast.unparse(node.value) == "self" else ""
                places.setdefault(node.attr, {name}).add(owner)
    return frozenset(attribute for attribute, names in places.items() if len(names) > 1)


@cache
def _shorts_of_private_names() -> dict[str, str]:
    """Return private name -> short name: another one for any two that may meet in an object."""
    meetings: dict[str, set[str]] = {}
    for group in _groups():
        names = {
            found
            for module in group
            for node in ast.walk(_modules()[module])
            for found in _private_names(node)
        }
        for each in names & _made() - _spoken():
            meetings.setdefault(each, set()).update(names)
    shorts: dict[str, str] = {}
    # Those that meet most others first: they are the hardest to find a name for.
    for each in sorted(meetings, key=lambda each: (-len(meetings[each]), each)):
        shorts[each] = _first_free({shorts.get(other, "") for other in meetings[each]})
    return shorts


@cache
def _made() -> frozenset[str]:
    """Return the variables and attributes that our own code sets; those of others stay."""
    return frozenset(
        name
        for tree in _modules().values()
        for node in ast.walk(tree)
        if isinstance(getattr(node, "ctx", None), ast.Store)
        for name in _private_names(node)
    )


def _private_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name) and _is_own(node.id):
        yield node.id


def _is_own(name: str) -> bool:
    return bool(PRIVATE.fullmatch(name) or TABLE.fullmatch(name))


def _groups() -> list[set[str]]:
    """Return the modules in groups: a class and its bases are in one."""
    groups = {name: {name} for name in _modules()}
    for name, tree in _modules().items():
        bases = {
            base.id
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for base in node.bases
            if isinstance(base, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and bases & {each.name for each in node.names}:
                both = groups[name] | groups.get(node.module or "", set())
                for each in both:
                    groups[each] = both
    return list({id(group): group for group in groups.values()}.values())


class _Renaming(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if _is_own(node.id):
            node.id = self._names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        if _is_own(node.arg):
            node.arg = self._names.get(node.arg, node.arg)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        node.attr = self._names.get(node.attr, node.attr)
        return node

    def visit_Global(self, node: ast.Global) -> ast.Global:
        node.names = [self._names.get(each, each) for each in node.names]
        return node


def _outermost_functions(body: list[ast.stmt]) -> Iterator[Function]:
    for node in body:
        if isinstance(node, Function):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _outermost_functions(node.body)


def _rename_parameters(function: Function, globals_here: set[str]) -> None:
    """Rename what a function and those within it take, alike in all of them."""
    if any(ast.unparse(each) == "viper" for each in function.decorator_list):
        return
    taken = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    arguments = [node for node in ast.walk(function) if isinstance(node, ast.arg)]
    free = {each.arg for each in arguments} - _spoken() - globals_here - {"self", "cls"}
    shorts: dict[str, str] = {}
    for each in arguments:
        if each.arg in free and each.arg not in shorts:
            shorts[each.arg] = _first_free(taken | set(shorts.values()))
        each.arg = shorts.get(each.arg, each.arg)
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            node.id = shorts.get(node.id, node.id)
        elif isinstance(node, ast.Nonlocal):
            node.names = [shorts.get(name, name) for name in node.names]


def _names_in(body: list[ast.stmt]) -> set[str]:
    """Return the names that a module has at its top."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
            continue
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                found.add(each.id)
            elif isinstance(each, ast.alias):
                found.add((each.asname or each.name).split(".")[0])
    return found


def _first_free(taken: set[str]) -> str:
    number = 0
    while f"_{number}" in taken:
        number += 1
    return f"_{number}"
