"""Scripts: each tells what it takes and gives, asks nothing but Redis, and has one Op, safe to send twice."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

import pytest

from tests.architecture.source import Function, Module, called, functions, modules, parse, scripts
from tests.architecture.test_layers import place

pytestmark = pytest.mark.quick

_INCLUDE = re.compile(r"^-- include (\w+)$", re.MULTILINE)
_ENTRY = re.compile(r"-- (KEYS|ARGV)\[(\d+)(?:\.\.(\d+)|(\+))?\]\s+(\S.*)")
_INDEX = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
_CALL = re.compile(r"\bredis\.p?call\(")
_LOCAL = re.compile(r"^local (?!function)[^\n]*(?:\n[ \t]+[^\n]*)*", re.MULTILINE)

FORBIDDEN = {
    r"\bos\.": 'the time is redis.call("TIME")',
    r"\bmath\.random": "what is random comes in through ARGV",
    r"\bcjson\b": "payloads are bytes here: Ruby's and ours must not be written anew",
    r"\bwhile true\b|\brepeat\b": "loops are bounded by an argument",
    r"\bredis\.p?call\(\s*\"\w+\"\s*,\s*[\"']": "keys come in through KEYS",
    r"\bredis\.p?call\(\s*\"(?:KEYS|SCAN|SELECT|EVAL\w*)\"": "a script works on the keys that it was given",
}
"""What no script does, and why."""

FORBIDDEN_BY_DESIGN = {
    ("shift_queue", "SELECT"): "nothing else moves a list between two databases in one step",
    ("shift_set", "SELECT"): "likewise",
}
"""Which script does it all the same, and why."""


# -- the text of a script ---------------------------------------------------------------------------------------------


def head_of(text: str) -> list[str]:
    """Return the lines of comment that a script begins with."""
    lines = text.splitlines()
    end = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:end]


def code_of(text: str) -> str:
    """Return a script without its comments; every line keeps its number."""
    return "\n".join(line.partition("--")[0] for line in text.splitlines())


def header(name: str, text: str) -> list[str]:
    """Return what is wrong with the comment above a script: purpose, KEYS, ARGV, returns, each in its place."""
    lines = head_of(text)
    kinds = [match[1] if (match := re.match(r"-- (KEYS|ARGV|returns)\b", line)) else "" for line in lines]
    order = [kind for at, kind in enumerate(kinds) if kind and kind not in kinds[:at]]
    wanted = [kind for kind in ("KEYS", "ARGV") if re.search(rf"\b{kind}\b", code_of(text))] + ["returns"]
    found = []
    if not lines or not re.fullmatch(r"-- [A-Z].+", lines[0]):
        found.append(at(name, 1, "begins with no purpose: `-- Move jobs from ...`"))
    if order != wanted:
        found.append(at(name, 1, f"the header has {order}, needs {wanted} in this order"))
    if wanted[0] in kinds and "--" not in lines[: kinds.index(wanted[0])]:
        found.append(at(name, 1, "a line `--` parts the purpose from the list"))
    if "returns" in kinds and not re.match(r"-- returns\s+\S", lines[kinds.index("returns")]):
        found.append(at(name, kinds.index("returns") + 1, "returns what?"))
    for number, (line, kind) in enumerate(zip(lines, kinds, strict=True), 1):
        if kind in ("KEYS", "ARGV") and not _ENTRY.fullmatch(line):
            found.append(at(name, number, f"no entry such as `-- {kind}[1]  queue  LIST of payloads`: {line}"))
    return found


def indexes(name: str, text: str) -> list[str]:
    """Return the KEYS and ARGV that are used and not in the header, or the other way round."""
    told: dict[str, list[int]] = {"KEYS": [], "ARGV": []}
    rest: dict[str, int] = {}
    found = []
    for number, line in enumerate(head_of(text), 1):
        if match := _ENTRY.fullmatch(line):
            kind, first, last, more, _ = match.groups()
            if more:
                rest[kind] = int(first)
            entry = range(int(first), int(last or first) + 1)
            if entry[0] != len(told[kind]) + 1:
                found.append(at(name, number, f"{kind}[{first}] is out of turn"))
            told[kind] += entry
    for kind, numbers in told.items():
        used = {int(match[2]): match.start() for match in _INDEX.finditer(code_of(text)) if match[1] == kind}
        found += [
            at(name, _line(code_of(text), used[index]), f"uses {kind}[{index}]: not in the header")
            for index in sorted(used)
            if index not in numbers and index < rest.get(kind, index + 1)
        ]
        named = set(numbers) - {rest.get(kind)}
        found += [at(name, 1, f"{kind}[{index}] is in the header only") for index in sorted(named - set(used))]
    return found


def unnamed(name: str, text: str) -> list[str]:
    """Return the KEYS and ARGV that are not made a local of the script before its first call."""
    code = code_of(text)
    call = _CALL.search(code)
    first = call.start() if call else len(code)
    named = [match.span() for match in _LOCAL.finditer(code) if match.start() < first]
    return [
        at(name, _line(code, match.start()), f"uses {match[0]} by number: name it in a local before the first call")
        for match in _INDEX.finditer(code)
        if match.start() > first or not any(start <= match.start() < end for start, end in named)
    ]


def forbidden(name: str, text: str) -> list[str]:
    """Return what no script does."""
    code = code_of(text)
    return [
        at(name, _line(code, match.start()), f"{match[0].strip()!r}: {why}")
        for pattern, why in FORBIDDEN.items()
        for match in re.finditer(pattern, code)
        if (name, match[0].rstrip('"').rpartition('"')[2]) not in FORBIDDEN_BY_DESIGN
    ]


def at(name: str, line: int, what: str) -> str:
    return f"redisjobs/store/lua/{name}.lua:{line} {what}"


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def included(texts: Iterable[str]) -> set[str]:
    """Return the names of the files that stand in others: they are no scripts of their own."""
    return {name for text in texts for name in _INCLUDE.findall(text)}


def own() -> dict[str, str]:
    """Return the scripts that are sent."""
    parts = included(scripts().values())
    return {name: text for name, text in scripts().items() if name not in parts}


RULES = (header, indexes, unnamed, forbidden)


def test_every_script_tells_what_it_takes_and_gives_names_it_and_asks_only_redis() -> None:
    found = [finding for rule in RULES for name, text in own().items() for finding in rule(name, text)]

    assert not found, "\n" + "\n".join(found)


def test_what_is_forbidden_and_done_by_design_still_is_done() -> None:
    texts = own()

    assert [(name, word) for name, word in FORBIDDEN_BY_DESIGN if f'"{word}"' not in code_of(texts[name])] == []


def test_what_scripts_include_is_a_function_without_a_wish_of_its_own() -> None:
    parts = {name: scripts().get(name, "") for name in included(scripts().values())}

    assert [name for name, text in parts.items() if not text.startswith("local function ")] == []
    assert [finding for name, text in parts.items() for finding in forbidden(name, text)] == []
    assert [name for name, text in parts.items() if re.search(r"\b(KEYS|ARGV)\b", text)] == []


SCRIPT = """\
-- Move a job to a queue; who asks twice moves it once.
--
-- KEYS[1]     set      ZSET of payloads
-- KEYS[2..3]  queues   LISTs of payloads
-- KEYS[4+]    pairs    more of both
-- ARGV[1]     name     of the queue,
--               as bytes
-- ARGV[2+]    jobs     the payloads
-- returns     how many were moved

local set, first, second = KEYS[1], KEYS[2], KEYS[3]
local name =
  tonumber(ARGV[1])
local time = redis.call("TIME") -- never os.time
for at = 2, #ARGV do
  redis.call("ZREM", set, ARGV[at])
end
return { KEYS[#KEYS], first, second, name }
"""


def test_a_script_as_it_should_be_passes() -> None:
    assert [finding for rule in RULES for finding in rule("new", SCRIPT)] == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("-- Move a job to a queue; who asks twice moves it once.\n", "", "new.lua:1 begins with no purpose"),
        ("-- Move", "-- move", "new.lua:1 begins with no purpose"),
        ("-- Move", "\n-- Move", "new.lua:1 begins with no purpose"),
        ("once.\n--\n", "once.\n", "parts the purpose from the list"),
        ("-- returns     how many were moved\n", "", "needs ['KEYS', 'ARGV', 'returns']"),
        ("-- returns     how many were moved", "-- returns", "new.lua:9 returns what?"),
        ("-- ARGV", "-- args", "needs ['KEYS', 'ARGV', 'returns']"),
        ("-- KEYS[1]     set      ZSET of payloads\n", "", "KEYS[2] is out of turn"),
        ("-- KEYS[1]     set ", "-- KEYS 1     set ", "new.lua:3 no entry such as"),
        ("-- KEYS[4+]", "-- KEYS[5+]", "new.lua:5 KEYS[5] is out of turn"),
        ("-- KEYS[2..3]", "-- KEYS[2]", "new.lua:11 uses KEYS[3]: not in the header"),
        ("first, second = KEYS[1], KEYS[2], KEYS[3]", "first = KEYS[1], KEYS[2]", "KEYS[3] is in the header only"),
        ("return {", "return { KEYS[2],", "new.lua:18 uses KEYS[2] by number"),
        ("local name =\n  ton", "if ton", "new.lua:12 uses ARGV[1] by number"),
        ('local time = redis.call("TIME")', "local time = os.time()", "new.lua:14 'os.': the time is redis.call"),
        ("#KEYS]", "math.random(3)]", "'math.random': what is random"),
        ("#KEYS]", "cjson.decode(x)]", "'cjson': payloads are bytes"),
        ("for at = 2, #ARGV do", "while true do", "'while true': loops are bounded"),
        ('"ZREM", set', '"ZREM", "retry"', "keys come in through KEYS"),
        ('"ZREM", set', '"KEYS", set', "works on the keys that it was given"),
    ],
)
def test_a_script_that_lacks_something_is_found(old: str, new: str, found: str) -> None:
    findings = [finding for rule in RULES for finding in rule("new", SCRIPT.replace(old, new))]

    assert old in SCRIPT
    assert any(found in finding for finding in findings), findings


# -- the Ops that send them -------------------------------------------------------------------------------------------

TWICE = re.compile(r"\b(?:Safe to send twice:|Sent twice,?) \w")


def is_ops(module: Module) -> bool:
    """Tell whether a module builds Ops: of the store, or of a plug-in."""
    return module.name.startswith("redisjobs.store.ops") or (
        place(module.name) == "plugins" and module.name.endswith(".ops")
    )


def unwanted(modules: Iterable[Module], texts: Mapping[str, str]) -> list[str]:
    """Return the scripts that not exactly one function sends, and the functions that send what is none."""
    senders: dict[str, list[str]] = {name: [] for name in texts}
    found = []
    for one in modules:
        for function, call in sends(one):
            name = call.args[0] if call.args else call
            if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
                found.append(one.at(call.lineno, "sends a script by a name that is no literal"))
            elif name.value not in texts:
                found.append(one.at(call.lineno, f"sends {name.value}: there is no such script"))
            else:
                senders[name.value].append(f"{one.name}.{function}")
                if not re.fullmatch(rf"(\w+_)?{function.rpartition('.')[2]}(_\w+)?", name.value):
                    found.append(one.at(call.lineno, f"{function} sends {name.value}: name them alike"))
    return found + [
        at(name, 1, f"is sent by {' and '.join(who) or 'nobody'}: each script has one caller")
        for name, who in senders.items()
        if len(who) != 1
    ]


def sends(module: Module) -> list[tuple[str, ast.Call]]:
    """Return the calls that build the Op of a script, each with the innermost function that it stands in."""
    found = {
        node: name
        for name, function in functions(module.tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and called(node) == "Op"
    }
    return [(name, node) for node, name in found.items()]


def once_only(module: Module) -> list[str]:
    """Return the public functions that build Ops and do not say why these may be sent twice."""
    if not is_ops(module):
        return []
    return [
        module.at(function.lineno, f"{name} does not say why it is safe to send twice")
        for name, function in functions(module.tree)
        if not name.startswith("_") and builds(function) and not TWICE.search(" ".join(doc_of(function).split()))
    ]


def builds(function: Function) -> bool:
    """Tell whether a function returns requests, one or some."""
    return function.returns is not None and bool(re.search(r"\b(Op|Together)\b", ast.unparse(function.returns)))


def _senders() -> list[Module]:
    return [one for one in modules() if one.name != "redisjobs.store.op"]  # it has the Op itself


def doc_of(function: Function) -> str:
    return ast.get_docstring(function) or ""


def test_every_script_is_sent_by_one_function_that_is_named_alike() -> None:
    found = unwanted(_senders(), own())

    assert not found, "\n" + "\n".join(found)


def test_only_ops_modules_send_scripts() -> None:
    assert [one.at(call.lineno, name) for one in _senders() if not is_ops(one) for name, call in sends(one)] == []


def test_every_op_says_why_it_is_safe_to_send_twice() -> None:
    found = [finding for one in modules() for finding in once_only(one)]

    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def lease() -> Op[int]:\n    return Op('lease')", []),
        ("def clear() -> Op[int]:\n    return Op('lease', keys=[])", ["name them alike"]),
        ("def lease() -> Op[int]:\n    return Op('lost')", ["sends lost: there is no such script", "sent by nobody"]),
        ("def lease(name) -> Op[int]:\n    return Op(name)", ["no literal", "sent by nobody"]),
        (
            "def lease() -> Op[int]:\n    return Op('lease')\ndef lease_all() -> Op[int]:\n    return Op('lease')",
            ["name them alike", "sent by redisjobs.store.ops.new.lease and redisjobs.store.ops.new.lease_all"],
        ),
    ],
)
def test_a_script_without_its_one_caller_is_found(text: str, found: list[str]) -> None:
    findings = unwanted([parse("redisjobs.store.ops.new", text)], {"lease": SCRIPT})

    assert len(findings) == len(found)
    assert all(part in finding for part, finding in zip(found, findings, strict=True))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f() -> Op[int]:\n    '''Read. Safe to send\n    twice: it only reads.'''", False),
        ("def f() -> Together:\n    '''Signal.\n\n    Sent twice it is two signals.'''", False),
        ("def _f() -> Op[int]: ...", False),
        ("def f() -> int:\n    '''Count.'''", False),
        ("def f() -> Op[int]:\n    '''Read.'''", True),
        ("def f() -> Together:\n    '''Read. Safe.'''", True),
        ("def f() -> list[Op[Any]]: ...", True),
    ],
)
def test_an_op_that_does_not_say_why_it_is_safe_is_found(text: str, found: bool) -> None:
    for name, counts in (
        ("redisjobs.store.ops.new", True),
        ("redisjobs.plugins.a.ops", True),
        ("redisjobs.new", False),
    ):
        one = parse(name, text)

        assert bool(once_only(one)) == (found and counts)
