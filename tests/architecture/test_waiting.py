"""Where waiting is done, and where the time comes from: logic is `Steps`, and hands both to the edge."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import LATE, Module, findings, imports, modules, parse
from tests.architecture.test_layers import place

pytestmark = pytest.mark.quick

MAY_WAIT = ("worker", "service", "client", "store", "web")
BY_DESIGN = {
    "redisjobs.cli.demo": "its jobs and its middleware are what a user would write, sleeps and locks included",
}


def waiting(module: Module) -> list[str]:
    """Return the imports of what waits, or keeps others waiting, outside the places that may."""
    if place(module.name) in MAY_WAIT or module.name in BY_DESIGN:
        return []
    return [
        module.at(one.line, f"imports {one.target}: only {', '.join(MAY_WAIT)} may wait; write Steps")
        for one in imports(module)
        if one.target.partition(".")[0] in ("asyncio", "threading")
    ]


def sleeping(module: Module) -> list[str]:
    """Return the uses of `time.sleep` outside the places that may wait."""
    if place(module.name) in MAY_WAIT or module.name in BY_DESIGN:
        return []
    return [module.at(line, "uses time.sleep") for line, name in of_time(module.tree) if name == "sleep"]


def clocks(module: Module) -> list[str]:
    """Return the uses of `time` that should be one of `clock`."""
    if place(module.name) == "clock" or module.name in BY_DESIGN:
        return []
    return [
        module.at(line, f"uses time.{name}: ask redisjobs.clock")
        for line, name in of_time(module.tree)
        if name != "sleep"
    ]


def of_time(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield what is taken from the module `time`, under whatever name it goes."""
    aliases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {one.asname or one.name for one in node.names if one.name == "time"}
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.Assign) and ast.unparse(node.value) in [f"{late}('time')" for late in LATE]:
            aliases |= {ast.unparse(target) for target in node.targets}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield node.lineno, node.attr


RULES = (waiting, sleeping, clocks)


def test_only_the_edge_waits_and_only_the_clock_knows_the_time() -> None:
    found = findings(RULES, *modules())

    assert not found, "\n" + "\n".join(found)


def test_what_waits_by_design_still_does() -> None:
    waiters = {module.name for module in modules() for one in imports(module) if one.target in ("asyncio", "threading")}

    assert set(BY_DESIGN) <= waiters


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("redisjobs.app", "import threading", "py:1 imports threading: only worker"),
        ("redisjobs.jobs.new", "import asyncio.queues", "imports asyncio.queues"),
        ("redisjobs.inspector.new", "from asyncio import gather", "imports asyncio:"),
        ("redisjobs.plugins.a.x", "if TYPE_CHECKING:\n    import threading", "py:2 imports threading"),
        ("redisjobs.middleware.new", "asyncio = LazyModule('asyncio')", "imports asyncio:"),
        ("redisjobs.cli.new", "import time\n\ntime.sleep(1)", "py:3 uses time.sleep"),
        ("redisjobs.cli.new", "from time import sleep", "py:1 uses time.sleep"),
        ("redisjobs.clock", "import time\npause = time.sleep", "py:2 uses time.sleep"),
        ("redisjobs.cli.new", "import time as t\nt.sleep(1)", "py:2 uses time.sleep"),
        ("redisjobs.web.new", "time = LazyModule('time')\ntime.time()", "py:2 uses time.time: ask redisjobs.clock"),
        ("redisjobs.wire.new", "from time import time", "uses time.time"),
        ("redisjobs.worker.new", "import time\nsince = time.monotonic()", "uses time.monotonic"),
    ],
)
def test_each_rule_finds_what_it_is_for(name: str, text: str, found: str) -> None:
    module = parse(name, text)

    [finding] = findings(RULES, module)

    assert found in finding
    assert finding.startswith(f"{module.path}:")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("redisjobs.worker.executors.new", "import asyncio\nimport threading"),
        ("redisjobs.worker.new", "import time\ntime.sleep(1)"),
        ("redisjobs.store.location", "import threading\nimport time\ntime.sleep(1)"),
        ("redisjobs.service", "import threading"),
        ("redisjobs.client", "import asyncio"),
        ("redisjobs.clock", "import time\nnow = time.time"),
        ("redisjobs.cli.new", "from redisjobs import clock\nclock.now()"),
        ("redisjobs.jobs.new", "def f(time):\n    return time.sleep"),
        ("redisjobs.jobs.new", "from datetime import time\nx = time.min"),
        ("redisjobs.jobs.new", "async def f():\n    'asyncio, threading'\n    await g()"),
    ],
)
def test_what_may_wait_passes(name: str, text: str) -> None:
    assert findings(RULES, parse(name, text)) == []
