"""Leaves out of an image what nothing in it asks for.

The protocols are written for both ends of a wire: a board needs what sends and not what receives,
and the other way round. A function, class or table at the top of a module of `protocols` goes if
no code of the image names it; then what only that has named goes too.
"""

import ast
from collections import Counter

from boards.folding import drop_idle_imports

SHAKEN = "protocols."


def shaken(trees: dict[str, ast.Module]) -> dict[str, ast.Module]:
    """Return the modules of an image, name -> tree, without what is idle in them."""
    named = sum((_names(tree) for tree in trees.values()), Counter[str]())
    idle: set[int] = set()
    while found := _first_idle(trees, named, idle):
        idle.add(id(found))
        named -= _names(found)
    result = {}
    for name, tree in trees.items():
        result[name] = ast.Module([node for node in tree.body if id(node) not in idle], [])
        drop_idle_imports(result[name])
    return result


def _first_idle(
    trees: dict[str, ast.Module], named: Counter[str], idle: set[int]
) -> ast.stmt | None:
    """Return a definition that only itself names, if there is one."""
    for name, tree in trees.items():
        for node in tree.body if name.startswith(SHAKEN) else []:
            defined = _defined(node)
            if defined and id(node) not in idle and named[defined] <= _names(node)[defined]:
                return node
    return None


def _defined(node: ast.stmt) -> str:
    """Return the one name that a statement defines, "" where it does something else."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call):
        [*others, target] = node.targets
        return target.id if isinstance(target, ast.Name) and not others else ""
    return ""


def _names(tree: ast.AST) -> Counter[str]:
    """Count the names that code asks for, and the words of its strings."""
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found[node.id] += 1
        elif isinstance(node, ast.Attribute):
            found[node.attr] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(node.value.replace(":", ".").split("."))
    return found
