"""Leaves out of an image what nothing in it asks for.

The protocols are written for both ends of a wire, the hardware port for all sensors: a board needs
what sends and not what receives, and no bus that nothing of it hangs on. A function, class, method
or table goes if no code of the image names it; then what only that has named goes too. Names are
all there is to go by: one that stands anywhere, in a string too, keeps all that are called so.
"""

import ast
from collections import Counter
from collections.abc import Iterator

from boards.folding import drop_idle_imports

ROOT = "agent.start"  # called by the boot file
Body = list[ast.stmt]


def shaken(trees: dict[str, ast.Module]) -> dict[str, ast.Module]:
    """Return the modules of an image, name -> tree, without what is idle in them.

    The trees are changed.
    """
    named = sum((_names(tree) for tree in trees.values()), Counter[str]())
    bodies = [body for name, tree in trees.items() if name != ROOT for body in _bodies(tree)]
    # How often each definition names itself; what goes out of it can only make that less.
    most = {id(node): _names(node)[_defined(node)] for body in bodies for node in body}
    while found := _first_idle(bodies, named, most):
        body, node = found
        named -= _names(node)
        body.remove(node)
        bodies = [each for each in bodies if each is not getattr(node, "body", None)]
    for tree in trees.values():
        drop_idle_imports(tree)
    return trees


def _bodies(tree: ast.Module) -> Iterator[Body]:
    """Step through what may hold definitions: the module, and its classes."""
    yield tree.body
    yield from (node.body for node in tree.body if isinstance(node, ast.ClassDef))


def _first_idle(
    bodies: list[Body], named: Counter[str], most: dict[int, int]
) -> tuple[Body, ast.stmt] | None:
    """Return a definition that only itself names, and where it stands, if there is one."""
    for body in bodies:
        for node in body:
            name = _defined(node)
            if not name or named[name] > most[id(node)] or len(body) <= 1:
                continue
            if named[name] <= _names(node)[name]:
                return body, node
    return None


def _defined(node: ast.stmt) -> str:
    """Return the one name that a statement defines, "" where it does something else."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "" if node.name.startswith("__") else node.name
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
