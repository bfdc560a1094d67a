"""Folds the source of a module for a board: constants of other modules become plain numbers.

MicroPython's compiler sees one file at a time, so it keeps a `const` that others import as a
global of its module and of each that imports it, by its name, in RAM. An image is built as a
whole: here every use of such a name becomes its value, and the name goes. So do the blocks for
the type checker, what is for CPython, annotations, and imports that are then of no use.

Only integers that fit a small integer of a 32-bit board are folded; a larger one would be an
object at each use.
"""

import ast
import copy
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent
PORTABLE = ("agent", "protocols")
SMALL_INTEGERS = range(-(1 << 30), 1 << 30)
CALCULATIONS = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Name, ast.Load),
    *(ast.operator, ast.unaryop),
)
TYPE_CHECKING = "TYPE_CHECKING"
# Of a module that is tried, and where it is missing something else is done.
ONLY_ON_MICROPYTHON = ("cryptolib", "micropython")
ONLY_ON_CPYTHON = ("hmac",)


def path_of(name: str) -> Path | None:
    """Return the file of a module, None where there is none of that full name."""
    stem = SOURCES / name.replace(".", "/")
    for path in (stem.with_name(stem.name + ".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def name_of(path: Path) -> str:
    """Return the full name of the module in a file."""
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def folded(name: str) -> ast.Module:
    """Return the folded tree of a module that exists; not to be changed."""
    tree = _parsed(name)
    _Folding(name, tree).visit(tree)
    drop_idle_imports(tree)
    return ast.fix_missing_locations(tree)


def with_drivers(tree: ast.Module, drivers: Collection[str]) -> ast.Module:
    """Return the tree with its tables of all drivers left with these."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            rows = {
                key.value: (key, value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            if rows and set(rows) == _all_drivers():
                node.keys = [rows[name][0] for name in rows if name in drivers]
                node.values = [rows[name][1] for name in rows if name in drivers]
    return tree


@cache
def _all_drivers() -> set[str]:
    """Return the names of all drivers, as agent.drivers has them."""
    tables = [
        node.value
        for node in _parsed("agent.drivers").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DRIVERS"
    ]
    return set(ast.literal_eval(tables[0]))


def imported(tree: ast.AST) -> Iterator[str]:
    """Step through the full names of all that a tree imports from the portable packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be a module of it.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in PORTABLE)


def _parsed(name: str) -> ast.Module:
    path = path_of(name)
    assert path is not None, name
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _constants(name: str) -> dict[str, int]:
    """Return the constants that a module sets at its top, itself or by import: name -> value."""
    if path_of(name) is None:
        return {}
    tree = _parsed(name)
    stored = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    values: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            known = _constants(node.module)
            for alias in node.names:
                if alias.name in known and alias.asname is None:
                    values[alias.name] = known[alias.name]
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
            value = _calculated(node.value, values)
            if target.isupper() and stored[target] == 1 and value is not None:
                values[target] = value
    return values


def _calculated(node: ast.expr, names: dict[str, int]) -> int | None:
    """Return the value of an expression of integers and known names, None for any other."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "const":
        node = node.args[0]
    parts = list(ast.walk(node))
    if not all(isinstance(part, CALCULATIONS) for part in parts):
        return None
    if any(isinstance(part, ast.Name) and part.id not in names for part in parts):
        return None
    value = eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}}, dict(names))
    return value if type(value) is int and value in SMALL_INTEGERS else None


class _Folding(ast.NodeTransformer):
    """Replaces names by values, and drops what nobody asks for on a board."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self._values = _constants(name)
        self._modules = {  # name here -> full name
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self._values:
            return ast.Constant(self._values[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name):
            known = _constants(self._modules.get(node.value.id, ""))
            if node.attr in known:
                return ast.Constant(known[node.attr])
        self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        known = _constants(node.module or "")
        node.names = [each for each in node.names if each.name not in known or each.asname]
        return node if node.names else None

    def visit_Assign(self, node: ast.Assign) -> ast.Assign | None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in {*self._values, TYPE_CHECKING}:
            return None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.Assign | None:
        if node.value is None:
            return None
        assign = ast.Assign([node.target], node.value)
        self.generic_visit(assign)
        return assign

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        if ast.unparse(node.test) == TYPE_CHECKING:
            self.generic_visit(node)
            return node.orelse
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        module = getattr(node.body[0], "module", None) if node.body else None
        if module in ONLY_ON_MICROPYTHON:
            return node.body + node.orelse
        if module in ONLY_ON_CPYTHON:
            return node.handlers[0].body
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._strip(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        self._strip(node)
        return node

    def _strip(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        if any(ast.unparse(each) == "viper" for each in node.decorator_list):
            return  # the compiler of machine code goes by them
        node.returns = None
        arguments = node.args
        for each in (*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if each is not None:
                each.annotation = None


def drop_idle_imports(tree: ast.Module) -> None:
    """Drop the names that are imported at the top and used nowhere."""
    used = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    } - {"const"}  # the compiler's own word
    for node in list(tree.body):
        if isinstance(node, ast.ImportFrom):
            node.names = [each for each in node.names if (each.asname or each.name) in used]
            if not node.names:
                tree.body.remove(node)
