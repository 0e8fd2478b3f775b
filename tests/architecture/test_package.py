"""What the package as a whole must be like: its exports, what importing it costs, its state, words and sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import redisjobs
from tests.architecture import source
from tests.architecture.source import PACKAGE, Function, Module, called, findings, functions, modules, parse

pytestmark = pytest.mark.quick

HEAVY = (
    *("redis", "hiredis", "asyncio", "click", "rich", "msgpack", "fakeredis"),
    *("redisjobs.worker", "redisjobs.cli", "redisjobs.inspector", "redisjobs.web", "redisjobs.store.embedded"),
)
"""What a producer does without until it pushes."""

READS_ENVIRONMENT = ("redisjobs.config", "redisjobs.store.embedded")
"""How the modules begin that may: the settings, and a server of this machine that finds programs and folders."""

WORKS_BY_DESIGN = {
    "redisjobs.cli.sets": "its commands are shared by three groups, and click has no other way to put them there",
}
MUTABLE = ("list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict")
CHANGING = (
    *("append", "extend", "insert", "remove", "pop", "popitem", "clear", "update", "setdefault"),
    *("add", "discard", "appendleft", "popleft"),
)

MODULE_LINES = 400
FUNCTION_LINES = 40  # less its docstring
PARAMETERS = 6  # less self
MORE_BY_DESIGN = {
    "redisjobs.cli.enqueue:enqueue parameters": 9,  # click hands over each option as a parameter
    "redisjobs.web.texts lines": 600,  # a table: every text of the pages in one place
}
"""What is over the limits, and why it stays so."""


# -- exports and imports ----------------------------------------------------------------------------------------------


def exports(module: Module) -> list[str]:
    """Return where `__all__` is not exactly what a module has to offer, sorted."""
    listed = next((node for node in module.tree.body if _targets(node) == ["__all__"]), None)
    if listed is None:
        return []
    names = ast.literal_eval(listed.value)
    offered = {
        alias.asname or alias.name
        for node in module.tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE
        for alias in node.names
    }
    for node in module.tree.body:
        own = [node.name] if isinstance(node, Function | ast.ClassDef) else _targets(node)
        offered |= {name for name in own if not name.startswith("_")}
    found = [module.at(listed.lineno, f"__all__ lacks {name}") for name in sorted(offered - set(names))]
    found += [
        module.at(listed.lineno, f"__all__ has {name}, the module has not") for name in names if name not in offered
    ]
    if names != sorted(set(names)):
        found.append(module.at(listed.lineno, "__all__ is not sorted"))
    return found


def test_the_exports_are_sorted_and_exist() -> None:
    assert redisjobs.__all__ == sorted(redisjobs.__all__)
    assert all(hasattr(redisjobs, name) for name in redisjobs.__all__)


@pytest.mark.parametrize("module", [PACKAGE, f"{PACKAGE}.cli.main"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    heavy = HEAVY if module == PACKAGE else ("redis", "asyncio", "redisjobs.worker", "redisjobs.inspector")
    code = f"import {module}, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- state and work ---------------------------------------------------------------------------------------------------


def state(module: Module) -> list[str]:
    """Return what of a module can change: `global`, containers that are no constants, defaults of parameters."""
    kept = {name: node for node in _top(module.tree) for name in _targets(node) if _mutable(node.value)}
    kept.pop("__all__", None)
    found = []
    for name, node in kept.items():
        if name.upper() != name:
            found.append(module.at(node.lineno, f"{name} is state of the module, or needs the name of a constant"))
        elif _empty(node.value):
            found.append(module.at(node.lineno, f"{name} begins empty: it is state of the module"))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            found.append(module.at(node.lineno, f"global {', '.join(node.names)}"))
        elif name := _changed(node, kept):
            found.append(module.at(node.lineno, f"changes {name}, a constant of the module"))
        elif isinstance(node, ast.arguments):
            found += [
                module.at(default.lineno, f"the default {ast.unparse(default)} can change")
                for default in [*node.defaults, *node.kw_defaults]
                if _mutable(default)
            ]
    return found


def work(module: Module) -> list[str]:
    """Return the statements that do something when a module is imported."""
    return [] if module.name in WORKS_BY_DESIGN else _works(module)


def _works(module: Module) -> list[str]:
    return [
        module.at(node.lineno, f"works at import: {ast.unparse(node).splitlines()[0]}")
        for node in _top(module.tree)
        if isinstance(node, ast.For | ast.While | ast.With | ast.Try | ast.Delete | ast.AugAssign)
        or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
    ]


def environment(module: Module) -> list[str]:
    """Return where the environment is read outside the configuration."""
    if module.name.startswith(READS_ENVIRONMENT):
        return []
    found = []
    for node in ast.walk(module.tree):
        names = [one.name for one in node.names] if isinstance(node, ast.ImportFrom) and node.module == "os" else []
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
            names = [node.attr]
        found += [
            module.at(node.lineno, f"reads os.{name}: only config.py reads the environment")
            for name in names
            if name in ("environ", "environb", "getenv", "getenvb", "putenv")
        ]
    return found


def _top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that are run by an import, those of `if TYPE_CHECKING: ... else: ...` too."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, ast.If) and "__name__" not in ast.unparse(node.test):
            waiting[:0] = [*node.body, *node.orelse]


def _targets(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return [ast.unparse(node.target)]
    return [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []


def _mutable(value: Any) -> bool:
    if isinstance(value, ast.Call):
        return called(value) in MUTABLE
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _empty(value: Any) -> bool:
    if isinstance(value, ast.Call):
        return not value.args and not value.keywords
    return not getattr(value, "elts", getattr(value, "keys", True))


def _changed(node: ast.AST, names: dict[str, Any]) -> str:
    """Return which of the names a node changes, if any."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
        inner = node.func.value
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        inner = node.value
    else:
        return ""
    return inner.id if isinstance(inner, ast.Name) and inner.id in names else ""


# -- words and sizes --------------------------------------------------------------------------------------------------


def undocumented(module: Module) -> list[str]:
    """Return the module, its public functions and its public classes if they say not what they are for."""
    found = [] if ast.get_docstring(module.tree) else [module.at(1, "has no docstring")]
    return found + [
        module.at(node.lineno, f"{node.name} has no docstring")
        for node in _top(module.tree)
        if isinstance(node, Function | ast.ClassDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]


def sizes(module: Module) -> Iterator[tuple[str, int, int, int]]:
    """Yield what is measured: its name, the line where it stands, its size and the limit."""
    yield f"{module.name} lines", 1, len(module.text.splitlines()), MODULE_LINES
    for name, node in functions(module.tree):
        doc = node.body[0] if ast.get_docstring(node) else None
        lines = _lines(node) - (_lines(doc) if doc else 0)
        yield f"{module.name}:{name} lines", node.lineno, lines, FUNCTION_LINES
        given = node.args
        names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        names += ["*"] * sum(one is not None for one in (given.vararg, given.kwarg))
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        yield f"{module.name}:{name} parameters", node.lineno, count, PARAMETERS


def too_large(module: Module) -> list[str]:
    """Return the modules and functions that are over the limits."""
    return [
        module.at(line, f"{name}: {size}, at most {MORE_BY_DESIGN.get(name, limit)}")
        for name, line, size, limit in sizes(module)
        if size > MORE_BY_DESIGN.get(name, limit)
    ]


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


RULES = (exports, state, work, environment, undocumented, too_large)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_holds_to(rule: Any) -> None:
    found = [finding for module in modules() for finding in rule(module)]

    assert not found, "\n" + "\n".join(found)


def test_what_is_over_the_limits_still_is() -> None:
    measured = {name: (size, limit) for module in modules() for name, _, size, limit in sizes(module)}

    over = {name for name, (size, limit) in measured.items() if size > limit}
    assert over >= {*MORE_BY_DESIGN}, "mended: take it off the table"


def test_what_works_at_import_by_design_still_does() -> None:
    assert [name for name in WORKS_BY_DESIGN if not _works(source.module(name))] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from redisjobs.a import B, C\n__all__ = ['B']", "py:3 __all__ lacks C"),
        ("from redisjobs.a import B\n__all__ = ['B', 'C']", "__all__ has C, the module has not"),
        ("from redisjobs.a import B, C\n__all__ = ['C', 'B']", "__all__ is not sorted"),
        ("from redisjobs.a import B\n__all__ = ['B', 'B']", "__all__ is not sorted"),
        ("class A:\n    'An A.'\nx = 1\n__all__ = ['A']", "__all__ lacks x"),
        ("def _f():\n    global x", "py:3 global x"),
        ("jobs = {'a': 1}", "jobs is state"),
        ("_jobs: list[int] = []", "_jobs is state"),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    jobs = [1]", "py:5 jobs is state"),
        ("JOBS = []", "JOBS begins empty"),
        ("_JOBS: dict[str, int] = {}", "_JOBS begins empty"),
        ("JOBS = collections.deque()", "JOBS begins empty"),
        ("JOBS = {'a': 1}\ndef _f():\n    JOBS['b'] = 2", "py:4 changes JOBS"),
        ("JOBS = {'a': 1}\ndef _f():\n    del JOBS['a']", "py:4 changes JOBS"),
        ("JOBS = [1]\ndef _f():\n    JOBS.append(2)", "py:4 changes JOBS"),
        ("def _f(jobs=[]): ...", "the default [] can change"),
        ("def _f(*, jobs=dict()): ...", "the default dict() can change"),
        ("setup()", "py:2 works at import: setup()"),
        ("for x in y:\n    register(x)", "works at import: for x in y:"),
        ("if x:\n    register(x)", "py:3 works at import"),
        ("x = os.environ.get('A')", "py:2 reads os.environ"),
        ("def _f(environ=os.environ): ...", "reads os.environ"),
        ("x = os.getenv('A')", "reads os.getenv"),
        ("from os import environ", "reads os.environ"),
        ("def f(): ...", "f has no docstring"),
        ("class A: ...", "A has no docstring"),
        ("async def f():\n    return 'f'", "f has no docstring"),
        ("class _A:\n  def f(self):\n" + "    x = 1\n" * 40, "redisjobs.new:_A.f lines: 41, at most 40"),
        ("def _f(a, b, c, d, *e, f, **g): ...", "redisjobs.new:_f parameters: 7, at most 6"),
        ("#\n" * 400, "redisjobs.new lines: 401, at most 400"),
    ],
)
def test_each_rule_finds_what_it_is_for(text: str, found: str) -> None:
    module = parse("redisjobs.new", f"'A module.'\n{text}")

    [finding] = findings(RULES, module)

    assert found in finding
    assert finding.startswith(f"{module.path}:")


def test_a_module_without_a_docstring_is_found() -> None:
    assert undocumented(parse("redisjobs.new", "# no string")) == ["redisjobs/new.py:1 has no docstring"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("redisjobs.new", "from redisjobs.a import B\nfrom os import path\n__all__ = ['B']"),
        (
            "redisjobs.new",
            "JOBS = {'a': 1}\nNAMES: list[str] = [x for x in JOBS]\nlog = logging.getLogger('redisjobs')",
        ),
        (
            "redisjobs.new",
            "JOBS = {'a': 1}\ndef _f(a=None, b=(), c=frozenset(), d=JOBS):\n    e = {}\n    e['x'] = JOBS['a']",
        ),
        (
            "redisjobs.new",
            "class _A:\n    def f(self, a, b, c, d, e, g): ...\n    def __init__(self):\n        self.jobs = []",
        ),
        (
            "redisjobs.new",
            "X = 1\n'''A value's docstring.'''\nif TYPE_CHECKING:\n    import os\nelse:\n    os = LazyModule('os')",
        ),
        ("redisjobs.new", "if __name__ == '__main__':\n    main()"),
        ("redisjobs.config", "x = os.environ"),
        ("redisjobs.store.embedded_new", "def _f(environ=os.environ): ..."),
        ("redisjobs.new", "x = os.uname()\ndef _f(environ):\n    return environ.get('A')"),
        ("redisjobs.new", "def f():\n    '''It does.'''\nclass A:\n    '''An A.'''\n    def g(self): ..."),
        ("redisjobs.new", "def f():\n    '''A\n    b.\n    '''\n" + "    x = 1\n" * 39),
    ],
)
def test_what_is_as_it_should_be_passes(name: str, text: str) -> None:
    assert findings(RULES, parse(name, f"'''A module.'''\n{text}")) == []
