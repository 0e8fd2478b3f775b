"""The package as text: every module parsed, what each of them imports, and the scripts of the store."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = "redisjobs"
LATE = ("LazyModule", "import_module", "__import__")
"""Calls that import, by a name given as a string."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Module(NamedTuple):
    """One module: its dotted name, its path below the repository, and its syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module

    def at(self, line: int, what: str) -> str:
        """Return a finding as all tests of this folder print it."""
        return f"{self.path}:{line} {what}"


class Import(NamedTuple):
    """A module that is imported, at once or when first used."""

    line: int
    target: str
    names: tuple[str, ...]
    in_function: bool


def findings(rules: Iterable[Callable[[Module], list[str]]], *checked: Module) -> list[str]:
    """Return what rules find in some modules."""
    return [finding for rule in rules for one in checked for finding in rule(one)]


def parse(name: str, text: str) -> Module:
    """Return a module of a given text; rules are tried on these."""
    return Module(name, f"{name.replace('.', '/')}.py", text, ast.parse(text))


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the package."""
    found = []
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        path = file.relative_to(ROOT)
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        text = file.read_text("utf-8")
        found.append(Module(name, str(path), text, ast.parse(text)))
    return tuple(found)


def module(name: str) -> Module:
    """Return one module of the package."""
    return next(one for one in modules() if one.name == name)


@cache
def ours() -> frozenset[str]:
    """Return the names of all modules."""
    return frozenset(one.name for one in modules())


@cache
def scripts() -> Mapping[str, str]:
    """Return the text of every file of the store's `lua/`, by its name."""
    return {file.stem: file.read_text("utf-8") for file in sorted((ROOT / PACKAGE / "store/lua").glob("*.lua"))}


def imports(one: Module) -> Iterator[Import]:
    """Yield what a module imports: by a statement, under TYPE_CHECKING too, or by a name that it has as a string."""
    late: set[ast.AST] = set()
    for node, inside in walk(one.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, (), inside)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield Import(node.lineno, whole if whole in ours() else base, (alias.name,), inside)
        elif isinstance(node, ast.Call) and called(node) in LATE:
            late.update(node.args)
            yield Import(node.lineno, _literal(node) or "?", (), inside)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in late:
            name = node.value.partition(":")[0]
            if "." in name and name in ours():
                yield Import(node.lineno, name, (), inside)


def walk(tree: ast.AST, inside: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node in the order of the text, and whether it stands inside a function."""
    for child in ast.iter_child_nodes(tree):
        yield child, inside
        yield from walk(child, inside or isinstance(child, _FUNCTIONS))


def functions(tree: ast.AST, within: str = "") -> Iterator[tuple[str, Function]]:
    """Yield every function and its qualified name, methods and inner functions too."""
    for child in ast.iter_child_nodes(tree):
        name = within
        if isinstance(child, Function | ast.ClassDef):
            name = f"{within}.{child.name}" if within else child.name
        if isinstance(child, Function):
            yield name, child
        yield from functions(child, name)


def called(node: ast.Call) -> str:
    """Return the last name of what is called: `f` of `f()` and of `a.b.f()`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def docstrings(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes of strings that stand as statements: docstrings, of values too."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _literal(node: ast.Call) -> str | None:
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
