"""Where keys and scripts are named: keys in `store/keys.py` alone, with a table that tells all of them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from tests.architecture.source import (
    Module,
    docstrings,
    findings,
    functions,
    imports,
    module,
    modules,
    ours,
    parse,
    scripts,
)
from tests.architecture.test_layers import place

pytestmark = pytest.mark.quick

REQUESTS = {"redisjobs.store.op": ("Op", "command"), "redisjobs.store.scripts": ("script",)}
"""What builds a request, or finds a script, from names."""

TYPES = {"set", "list", "zset", "integer", "string", "hash", "stream"}
PEOPLE = "inspector"  # in the table: written when somebody asks for it


# -- what `Keys` makes, and what its table tells ----------------------------------------------------------------------


class Form(NamedTuple):
    """A key as one member of `Keys` makes it, with `<parameter>` for what it is given."""

    line: int
    member: str
    text: str

    @property
    def shape(self) -> str:
        return re.sub("<[^>]*>", "<>", self.text)

    def told_by(self, key: str) -> bool:
        """Tell whether a key of the table is this one."""
        pattern = re.escape(self.shape).removeprefix("<>").replace("<>", "[^:{}]+")
        if self.shape.startswith("<>"):
            pattern = "<[^>]+>" + pattern
        if pattern.endswith(":"):
            pattern += ".+"  # a start, that a script completes
        return re.fullmatch(pattern, key) is not None


def forms(module: Module, namespace: str = "") -> list[Form]:
    """Return the keys that `Keys` of a module makes, with and without its optional parameters."""
    scope: dict[str, Any] = {"__name__": module.name}
    exec(compile(module.tree, module.path, "exec"), scope)
    [own] = [node.name for node in module.tree.body if isinstance(node, ast.ClassDef)]
    keys = scope[own](namespace)
    found = []
    for name, function in functions(module.tree):
        member = name.removeprefix(f"{own}.")
        if member == "_key" or not any(ast.unparse(node) == "self._key" for node in ast.walk(function)):
            continue
        made = getattr(keys, member)
        if isinstance(made, str):
            found.append(Form(function.lineno, member, made))
            continue
        parameters = inspect.signature(made).parameters.values()
        needed = [f"<{one.name}>" for one in parameters if one.default is one.empty]
        every = [f"<{one.name}>" for one in parameters]
        found += [
            Form(function.lineno, member, made(*given)) for given in ([needed, every] if needed != every else [every])
        ]
    return found


def rows(module: Module) -> Iterator[list[str]]:
    """Yield the cells of the tables in a module's docstring."""
    for line in (ast.get_docstring(module.tree) or "").splitlines():
        if line.startswith("| `"):
            yield [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


def told(module: Module) -> list[str]:
    """Return the keys of the tables."""
    return [key for cells in rows(module) for key in re.findall("`([^`]+)`", cells[0])]


def untold(module: Module) -> list[str]:
    """Return the members of `Keys` that make a key the table does not have."""
    known = told(module)
    return [
        module.at(form.line, f"{form.member} makes {form.text}: give it a row in the table")
        for form in forms(module)
        if not any(form.told_by(key) for key in known)
    ]


def unmade(module: Module) -> list[str]:
    """Return the keys of the table that no member of `Keys` makes."""
    made = forms(module)
    return [module.at(1, f"no member makes {key}") for key in told(module) if not any(one.told_by(key) for one in made)]


def unclear(module: Module) -> list[str]:
    """Return the rows that lack a cell, or name an unknown type or writer."""
    found = []
    for cells in rows(module):
        if len(cells) != 5 or not all(cells):
            found.append(module.at(1, f"{cells[0]}: the row needs a type, content, writers and a lifetime"))
            continue
        if cells[1] not in TYPES:
            found.append(module.at(1, f"{cells[0]}: {cells[1]} is no type"))
        found += [
            module.at(1, f"{cells[0]}: {writer} is no Op") for writer in cells[3].split(", ") if writer not in writers()
        ]
    return found


def shared(module: Module) -> list[str]:
    """Return the members of `Keys` that make the same key as another one."""
    by_shape: dict[str, set[str]] = {}
    for form in forms(module):
        by_shape.setdefault(form.shape, set()).add(form.member)
    return [
        module.at(1, f"{' and '.join(sorted(members))} make the same {shape}")
        for shape, members in by_shape.items()
        if len(members) > 1
    ]


def at_large(module: Module) -> list[str]:
    """Return the members of `Keys` that forget the namespace: in front, and before the queue in the braces."""
    pairs = zip(forms(module), forms(module, "space"), strict=True)
    return [
        module.at(plain.line, f"{plain.member} forgets the namespace")
        for plain, spaced in pairs
        if spaced.text != f"space:{plain.text}".replace("{queue:", "{space:queue:")
    ]


@cache
def writers() -> frozenset[str]:
    """Return the names that may stand under `written by`."""
    ops = (one for one in modules() if one.name.startswith("redisjobs.store.ops."))
    return frozenset({PEOPLE, *scripts(), *(name for one in ops for name, _ in functions(one.tree))})


# -- keys and scripts as strings --------------------------------------------------------------------------------------


class Names(NamedTuple):
    """How a key is known by its text."""

    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    odd: frozenset[str]
    plain: frozenset[str]

    def mark(self, text: str) -> str:
        """Return what gives a text away as a key, wherever it stands."""
        start = text.lstrip(":")  # what follows a namespace
        for prefix in self.prefixes:
            if start.startswith(prefix) and not start[len(prefix) :][:1].isspace():
                return prefix
        if text in self.odd:
            return text
        if text.partition(":")[0] in ours():  # a module and its member
            return ""
        return next((suffix for suffix in self.suffixes if text.endswith(suffix)), "")


@cache
def names() -> Names:
    """Take from `Keys` what keys look like."""
    made = forms(module("redisjobs.store.keys"))
    plain = frozenset(one.text for one in made if "<" not in one.text)
    heads = {one.text.partition("<")[0].partition(":")[0] + ":" for one in made if one.text.find("<") > 0}
    tails = {one.text.rpartition(">")[2] for one in made if one.text.startswith("<")} - {""}
    odd = frozenset(one for one in plain if not one.isalpha())  # no word, so nothing else is called so
    return Names(tuple(sorted(heads)), tuple(sorted(tails)), odd, plain)


def spelled(module: Module) -> list[str]:
    """Return the strings outside the store that can only be keys."""
    if place(module.name) == "store":
        return []
    told = docstrings(module.tree)
    return [
        module.at(node.lineno, f"has the key {text!r} as a string ({mark}): take it from Keys")
        for node in ast.walk(module.tree)
        if node not in told and (text := _text(node)) is not None and (mark := names().mark(text))
    ]


def asked(module: Module) -> list[str]:
    """Return the requests outside the store that name a key or a script by a string, whatever word it is."""
    if place(module.name) == "store":
        return []
    constants = {
        target.id: node.value
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for call, what in requests(module):
        given = [*call.args, *(one.value for one in call.keywords)]
        script = _text(constants.get(given[0].id) if isinstance(given[0], ast.Name) else given[0]) if given else None
        if what != "command" and script is not None and not _builds_ops(module):
            found.append(module.at(call.lineno, f"names the script {script!r}: its Op is built in store/ops/"))
        for node in (inner for one in given[1:] for inner in ast.walk(one)):
            text = _text(constants.get(node.id) if isinstance(node, ast.Name) else node)
            if text in names().plain - names().odd:
                found.append(module.at(call.lineno, f"names the key {text!r}: take it from Keys"))
    return found


def requests(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls that build a request or find a script, and which of REQUESTS each calls."""
    ways = {}
    for one in imports(module):
        ways |= {f"{one.target}.{name}": name for name in REQUESTS.get(one.target, ())}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                here = alias.asname or alias.name
                if alias.name in REQUESTS.get(node.module or "", ()):
                    ways[here] = alias.name
                ways |= {f"{here}.{name}": name for name in REQUESTS.get(f"{node.module}.{alias.name}", ())}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and (what := ways.get(ast.unparse(node.func))):
            yield node, what


def _builds_ops(module: Module) -> bool:
    """A plug-in's ops.py names its own scripts; its keys are in `Keys` all the same."""
    return place(module.name) == "plugins" and module.name.endswith(".ops")


def _text(node: ast.AST | None) -> str | None:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str | bytes):
        return None
    return node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")


OF_KEYS = (untold, unmade, unclear, shared, at_large)
OF_STRINGS = (spelled, asked)


def test_every_key_has_one_member_of_keys_and_its_row_in_the_table() -> None:
    found = findings(OF_KEYS, module("redisjobs.store.keys"), module("redisjobs.store.resque_keys"))

    assert not found, "\n" + "\n".join(found)


def test_no_key_and_no_script_is_named_by_a_string_outside_the_store() -> None:
    found = findings(OF_STRINGS, *modules())

    assert not found, "\n" + "\n".join(found)


def test_what_keys_look_like_is_taken_from_keys() -> None:
    prefixes, suffixes, odd, plain = names()

    assert set(prefixes) >= {"queue:", "stat:", "lease:", "lease-owners:", "lease-recovered:", "pushed:"}
    assert set(suffixes) >= {":work", ":workers", "-signals"}
    assert plain >= {"queues", "schedule", "retry", "dead", "processes", "paused"}
    assert odd >= {"lease-queues"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("key = f'queue:{name}'", "py:1 has the key 'queue:'"),
        ("key = 'queue:' + name", "has the key 'queue:'"),
        ("key = b'queue:default'", "has the key 'queue:default'"),
        ("key = 'stat:%s' % name", "has the key 'stat:%s'"),
        ("def f():\n    return f'{space}:queue:{name}'", "py:2 has the key ':queue:'"),
        ("key = f'lease:{{queue:{name}}}:{who}'", "has the key 'lease:{queue:'"),
        ("key = 'lease-owners:{queue:a}'", "has the key 'lease-owners:{queue:a}'"),
        ("key = 'lease-queues'", "has the key 'lease-queues'"),
        ("key = 'pushed:{schedule}:' + who", "has the key 'pushed:{schedule}:'"),
        ("key = f'{who}-signals'", "has the key '-signals'"),
        ("key = who + ':work'", "has the key ':work'"),
        ("key = '{}:workers'.format(who)", "has the key '{}:workers'"),
        ("from redisjobs.store.op import command\ncommand('ZCARD', 'retry')", "py:2 names the key 'retry'"),
        ("from redisjobs.store.op import command as ask\nask('ZCARD', b'dead')", "names the key 'dead'"),
        ("from redisjobs.store.op import command\nSET = 'dead'\ncommand('ZCARD', SET)", "py:3 names the key 'dead'"),
        ("from redisjobs.store import op\nop.command('SADD', 'queues', name)", "names the key 'queues'"),
        ("import redisjobs.store.op\nredisjobs.store.op.command('GET', 'paused')", "names the key 'paused'"),
        ("from redisjobs.store.op import Op\nOp(name, keys=['schedule'])", "names the key 'schedule'"),
        ("from redisjobs.store.op import Op\nOp('settle', names)", "py:2 names the script 'settle'"),
        ("from redisjobs.store.op import Op\nOp(name='lease')", "names the script 'lease'"),
        ("from redisjobs.store.op import Op\nNAME = 'lease'\nOp(NAME)", "py:3 names the script 'lease'"),
        ("from redisjobs.store import scripts\nscripts.script('bury')", "names the script 'bury'"),
    ],
)
def test_keys_and_scripts_as_strings_are_found(text: str, found: str) -> None:
    one = parse("redisjobs.inspector.new", text)

    [finding] = findings(OF_STRINGS, one)

    assert found in finding
    assert finding.startswith(f"{one.path}:")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("redisjobs.store.new", "from redisjobs.store.op import Op\nOp('lease', keys=[f'queue:{name}'])"),
        ("redisjobs.plugins.a.ops", "from redisjobs.store.op import Op\nOp('limit_take', keys=[keys.limit(name)])"),
        ("redisjobs.worker.new", '"""`queue:<name>` is a list."""\ndef f():\n    "queue:high"'),
        ("redisjobs.worker.new", "log.info('queue: %s, processes: %s', queue, 'retry')"),
        ("redisjobs.jobs.new", "payload['retry'] = payload['dead'] = place == 'schedule'"),
        ("redisjobs.cli.new", "@click.command('retry')\n@group.command('lease')\ndef f(): ..."),
        ("redisjobs.cli.new", "def command(name): ...\ncommand('retry')"),
        ("redisjobs.worker.new", "from redisjobs.store.op import command\ncommand('SADD', keys.paused, 'mailers')"),
        ("redisjobs.worker.new", "from redisjobs.store.op import command\ncommand('UNLINK', keys.retry)"),
        ("redisjobs.worker.new", "job.settle('retry')\nOutcome('dead')\nlease('queues')"),
        ("redisjobs.cli.new", "COMMANDS = {'work': ('redisjobs.cli.worker:work', 'Run.')}"),
        ("redisjobs.cli.new", "help = 'The queue:\\nall of it, as in a job:workload'"),
    ],
)
def test_words_that_only_look_like_keys_pass(name: str, text: str) -> None:
    assert findings(OF_STRINGS, parse(name, text)) == []


KEYS = '''"""Keys.

| key | type | content | written by | TTL |
|---|---|---|---|---|
| `retry`, `dead` | zset | payloads | settle | - |
| `queue:<name>` | list | payloads | push, inspector | 5 s |
| `stat:runs`, `stat:runs:YYYY-MM-DD` | integer | runs | settle | - |
| `<identity>` | hash | info | beat | - |
| `lease:{queue:<name>}:<digest>` | integer | recoveries | recover | - |
"""
class Keys:
    def __init__(self, namespace=""):
        self.namespace = namespace

    def _key(self, name):
        return f"{self.namespace}:{name}" if self.namespace else name

    @property
    def retry(self):
        return self._key("retry")

    @property
    def dead(self):
        return self._key("dead")

    def queue(self, name):
        return self._key(f"queue:{name}")

    def stat(self, name, day=""):
        return self._key(f"stat:{name}:{day}" if day else f"stat:{name}")

    def process(self, identity):
        return self._key(identity)

    def lease(self, queue):
        return self._key(f"lease:{{{self._key('queue:')}{queue}}}:")
'''


def test_a_table_that_tells_every_key_passes() -> None:
    assert findings(OF_KEYS, parse("redisjobs.store.new", KEYS)) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("`retry`, `dead`", "`retry`", "dead makes dead: give it a row"),
        ("| `queue:<name>`", "- `queue:<name>`", "queue makes queue:<name>: give it a row"),
        (", `stat:runs:YYYY-MM-DD`", "", "stat makes stat:<name>:<day>: give it a row"),
        ("| `<identity>`", "- `<identity>`", "process makes <identity>: give it a row"),
        ("`retry`, `dead`", "`retry`, `dead`, `lost`", "no member makes lost"),
        ("| 5 s |", "|", "`queue:<name>`: the row needs a type"),
        ("| 5 s |", "| |", "`queue:<name>`: the row needs a type"),
        ("| hash |", "| dict |", "`<identity>`: dict is no type"),
        ("| beat |", "| beet |", "`<identity>`: beet is no Op"),
        ('self._key("dead")', 'self._key("retry")', "dead and retry make the same retry"),
        ('self._key("retry")', '"retry" or self._key', "retry forgets the namespace"),
    ],
)
def test_a_table_that_is_wrong_is_found(old: str, new: str, found: str) -> None:
    one = parse("redisjobs.store.new", KEYS.replace(old, new))

    told = findings(OF_KEYS, one)

    assert KEYS.count(old) == 1
    assert any(found in finding for finding in told), told
