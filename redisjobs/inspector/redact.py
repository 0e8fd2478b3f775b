"""What pages may show of a job: passwords and the like are covered, in its arguments, its payload and its error.

Three things say what is hidden: patterns, keys that sound like a secret, and arguments that a job declares `sensitive`.
What was hidden in the arguments is hidden in the error's text too, where it often is repeated.

Pure, and for eyes only: whoever moves or removes a job needs its own bytes.
Always holds: what is covered is not in the bytes of `entry` either, so that nothing made of them can show it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import msgspec

from redisjobs.errors import ConfigError, PayloadError
from redisjobs.inspector.entries import JobEntry
from redisjobs.jobs.signature import Sensitive
from redisjobs.wire import backtrace, deadletter, elixir, jobdata, payload

E = TypeVar("E", bound=JobEntry)

Told: TypeAlias = Sensitive | Sequence[str | int]

HIDDEN = "[hidden]"

_WORDS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "authorization",
    "credential",
)
"""Keys that have one of these in them, whatever their case, have a value to hide."""

_NAMED = re.compile(
    rf"((?:{'|'.join(_WORDS)})[\w-]{{0,40}}\\?[\"']?\s{{0,3}}(?:=>|[:=])\s{{0,3}})"  # the key and what follows it
    r"(\[hidden\]|\"(?:[^\"\\]++|\\.)*+(?:\"|$)|'(?:[^'\\]++|\\.)*+(?:'|$)|(?:(?:bearer|basic)\s{1,3})?[^\s,;&})\]]+)",
    re.IGNORECASE | re.DOTALL,
)
_SHORTEST = 4  # a text that is shorter stands in a message by chance
_MOST = 100  # texts to look for in a message; of a job that has more of them, none is shown
_PACKED = 1_000  # characters of a backtrace; a shorter one packs no more than is read
_ENDS = 200  # of bytes that are no job, as their envelope shows them

_AS_IT_IS = frozenset(
    (
        *(
            "jid",
            "bid",
            "class",
            "wrapped",
            "display_class",
            "queue",
            "retry_queue",
            "error_class",
            "exception",
            "worker",
        ),
        *("created_at", "enqueued_at", "failed_at", "retried_at", "finished_at", "at", "crashes"),
        *("retry", "retry_count", "max_retry_count", "retry_for", "dead", "log_level", "timeout"),
    )
)
"""Fields that say nothing but how a job is handled: no pattern is looked for in them."""


class Redaction:
    """Covers entries and texts.

    `patterns` are regular expressions. An argument in which one is found is hidden as a whole, as is the value of a key
    in which one is found; in other texts it is that part. `sensitive`: by the name of the job on the wire;
    of a job whose function is not known here, numbers of arguments and keys of dicts.

    Raises:
        ConfigError: one of the patterns is no regular expression.
    """

    def __init__(
        self, patterns: Iterable[str | re.Pattern[str]] = (), sensitive: Mapping[str, Told] | None = None
    ) -> None:
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self._sensitive = {elixir.spelled(name): _placed(told) for name, told in (sensitive or {}).items()}

    def args(self, entry: JobEntry) -> list[Any]:
        """Return the arguments that people know, as `JobEntry.display_args`."""
        return self.entry(entry).display_args

    def payload(self, entry: JobEntry) -> dict[str, Any] | None:
        """Return all fields; None if the bytes are no JSON object."""
        return self.entry(entry).payload

    def entry(self, entry: E) -> E:
        """Return the same entry as it may be shown; all its properties may. Its `id` may be another."""
        raw = self.raw(entry.raw)
        return entry if raw == entry.raw else replace(entry, raw=raw)

    def raw(self, raw: bytes) -> bytes:
        """Return the bytes of an entry as they may be shown: the same ones if nothing is to be hidden.

        In bytes that cannot be read it is not known which arguments are sensitive: those that seem to be of a job that
        has any are hidden as a whole.
        """
        try:
            members = payload.fields(raw)
            changes = self._changes(members)
            return payload.change(raw, changes) if changes else raw
        except (PayloadError, RecursionError, UnicodeError):
            text = raw.decode("utf-8", "surrogateescape")
            if any(name in elixir.spelled(text) for name in self._sensitive):
                return HIDDEN.encode()
            return self.text(text).encode("utf-8", "surrogateescape")

    def text(self, text: str) -> str:
        """Return a text with what matches a pattern, and the values of what looks like `password=...`, hidden."""
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        lowered = text.lower()  # to see that is many times as fast as to look for the expression
        return _NAMED.sub(rf"\1{HIDDEN}", text) if any(word in lowered for word in _WORDS) else text

    def matches(self, value: str | float) -> bool:
        """Tell whether one of the patterns is found in a text or a number."""
        return any(pattern.search(str(value)) for pattern in self._patterns)

    def enveloped(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return new values for the fields of an envelope around bytes that are no job."""
        original = deadletter.unwrap(dict(members))
        assert original is not None
        shown = self.raw(original)
        if shown == original:
            return {}
        changes: dict[str, Any] = {deadletter.ORIGINAL: base64.b64encode(shown).decode()}
        return {**changes, "args": [shown[:_ENDS].decode("utf-8", "replace")]}

    def _changes(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return new values for the fields of a payload, or of a failure of Resque's, that are not to be shown."""
        if deadletter.unwrap(dict(members)) is not None:
            return self.enveloped(members)
        cover = _Cover(self, self._told(members))
        shown = {name: cover.field(name, members) for name in members if name not in _AS_IT_IS}
        for name in ("error_message", "error"):  # last: what was hidden in the others is known now
            if isinstance(members.get(name), str):
                shown[name] = cover.message(members[name])
        for name in ("error_backtrace", "backtrace"):
            if name in members:
                shown[name] = cover.trace(members[name])
        return {name: value for name, value in shown.items() if value != members[name]}

    def _told(self, members: Mapping[str, Any]) -> Sensitive:
        """Return what the job declares; one of Rails by the name inside."""
        if isinstance(members.get("payload"), dict):  # a failure of Resque's
            members = members["payload"]
        args = elixir.list_in(members.get("args"))
        name = jobdata.job_class(args) if _is_wrapped(members, args) else members.get("class")
        found = self._sensitive.get(elixir.spelled(name)) if isinstance(name, str) else None
        return found or Sensitive()


class _Cover:
    """One entry that is being covered; remembers what it hid."""

    def __init__(self, rules: Redaction, told: Sensitive) -> None:
        self._rules = rules
        self._told = told
        self._hidden: set[str] = set()

    def field(self, name: str, members: Mapping[str, Any]) -> Any:
        """Return a field of a payload as it may be shown."""
        value = members[name]
        if name == "args":
            return self._args(value, members)
        if name == "payload" and isinstance(value, dict):  # the job in a failure of Resque's
            if deadletter.unwrap(value) is not None:
                return {**value, **self._rules.enveloped(value)}
            return {name: item if name in _AS_IT_IS else self.field(name, value) for name, item in value.items()}
        return self._pair(name, value)

    def message(self, text: str) -> str:
        """Return an error's text without what was hidden elsewhere."""
        if len(self._hidden) > _MOST:
            return HIDDEN
        for hidden in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(hidden, HIDDEN)
        return self._rules.text(text)

    def trace(self, field: Any) -> Any:
        """Return a backtrace likewise, in the form that it has."""
        lines = backtrace.unpack(field)
        if not lines and isinstance(field, str) and len(field) > _PACKED:
            return HIDDEN  # it inflates to more than is read, so that nobody here knows what is in it
        shown = [self.message(line) for line in lines]
        if shown == lines:
            return field
        return shown if isinstance(field, list) else backtrace.pack(shown, "sidekiq8")

    def _args(self, value: Any, members: Mapping[str, Any]) -> Any:
        args = elixir.list_in(value)
        if not isinstance(args, list):
            return self._walk(value)
        if _is_wrapped(members, args):
            inside = {name: self._pair(name, item) for name, item in args[0].items() if name != "arguments"}
            inner = args[0].get("arguments")
            inside["arguments"] = self._list(inner) if isinstance(inner, list) else self._walk(inner)
            shown = [{name: inside[name] for name in args[0]}, *map(self._walk, args[1:])]
        else:
            shown = self._list(args)
        if shown == args:
            return value
        return shown if args is value else msgspec.json.encode(shown).decode()

    def _list(self, args: list[Any]) -> list[Any]:
        return [self._hide(one) if self._told.covers(at) else self._walk(one) for at, one in enumerate(args)]

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._pair(name, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._walk(item) for item in value]
        if value is None or isinstance(value, bool):
            return value
        if self._rules.matches(value):
            return self._hide(value)
        return self._rules.text(value) if isinstance(value, str) else value

    def _pair(self, name: str, value: Any) -> Any:
        lowered = name.lower()
        if name in self._told.keys or any(word in lowered for word in _WORDS) or self._rules.matches(name):
            return self._hide(value)
        return self._walk(value)

    def _hide(self, value: Any) -> str:
        self._remember(value)
        return HIDDEN

    def _remember(self, value: Any) -> None:
        if isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                self._remember(item)
        elif value is not None and len(text := str(value)) >= _SHORTEST:
            self._hidden.add(text)


def _is_wrapped(members: Mapping[str, Any], args: Any) -> bool:
    """Tell whether a payload carries a job of ActiveJob."""
    name = members.get("class")
    return isinstance(name, str) and name in jobdata.WRAPPERS and isinstance(args, list) and bool(jobdata.inside(args))


def _placed(told: Told) -> Sensitive:
    if isinstance(told, Sensitive):
        return told
    places = frozenset(one for one in told if isinstance(one, int))
    return Sensitive(places, None, frozenset(one for one in told if isinstance(one, str)))


def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"redact: {pattern!r} is no regular expression: {error}") from None
