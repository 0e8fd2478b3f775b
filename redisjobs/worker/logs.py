"""How a worker's log looks: for people on a terminal, or JSON lines; both with the job that a line belongs to."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from redisjobs.errors import ConfigError
from redisjobs.middleware.context import running

Format = Literal["text", "json"]

_PLAIN = frozenset(vars(logging.makeLogRecord({})))
_NOT_SHOWN = _PLAIN | {"message", "asctime", "taskName"}
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m", "DEBUG": "\x1b[2m"}


def setup(style: Format | None = None, level: str = "info", file: Path | None = None) -> None:
    """Send the log to standard error, or to a file. `style` None: text, with colours on a terminal.

    Raises:
        ConfigError: an unknown level or style, or a file that cannot be written.
    """
    number = logging.getLevelNamesMapping().get(level.upper().replace("FATAL", "CRITICAL"))
    if number is None:
        raise ConfigError(f"log level {level!r}: must be debug, info, warning or error")
    if style not in (None, "text", "json"):
        raise ConfigError(f"log format {style!r}: must be text or json")
    handler: logging.Handler
    if file is not None:
        try:
            handler = logging.FileHandler(file, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"log file {file}: {error.strerror}; name one that can be written") from None
    else:
        handler = logging.StreamHandler(sys.stderr)
    terminal = file is None and sys.stderr.isatty()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(colours=terminal))
    handler.addFilter(with_job)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(number)
    logging.raiseExceptions = False  # a full disk costs log lines, never jobs


def with_job(record: logging.LogRecord) -> bool:
    """Put `jid`, `class` and `queue` of the job that runs here onto a record. A filter for any handler."""
    context = running.get()
    if context is not None:
        for name, value in (("jid", context.jid), ("class", context.name), ("queue", context.queue)):
            record.__dict__.setdefault(name, value)
    return True


class TextFormatter(logging.Formatter):
    """`12:00:01.234 INFO  done  jid=... class=... elapsed=0.012`."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, and the lines of an exception below it."""
        at = datetime.fromtimestamp(record.created)
        text = _printable(_message(record))
        pairs = " ".join(f"{name}={_shown(value)}" for name, value in extras(record).items())
        clock = f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"
        line = f"{clock} {record.levelname:<7} {text:<6} {pairs}".rstrip()
        if self._colours and record.levelname in _COLOURS:
            line = f"{_COLOURS[record.levelname]}{line}\x1b[0m"
        if record.exc_info:
            line += "\n" + _printable(self.formatException(record.exc_info))
        if record.stack_info:
            line += "\n" + _printable(self.formatStack(record.stack_info))
        return line


class JsonFormatter(logging.Formatter):
    """One object per line: `ts`, `lvl`, `msg`, `pid`, `logger`, and the fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        members: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "lvl": record.levelname,
            "msg": _message(record),
            "pid": record.process,
            "logger": record.name,
            **extras(record),
        }
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            members["stack"] = self.formatStack(record.stack_info)
        try:
            return msgspec.json.encode(members, enc_hook=_text).decode()
        except (TypeError, ValueError, RecursionError):  # a key that is none, text that UTF-8 has not
            plain = {_printable(name): _printable(_text(value)) for name, value in members.items()}
            return msgspec.json.encode(plain).decode()


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that a log call added to its record."""
    return {name: value for name, value in record.__dict__.items() if name not in _NOT_SHOWN}


def _shown(value: Any) -> str:
    text = _printable(_text(value))
    if text.isprintable() and " " not in text and text:
        return text
    return msgspec.json.encode(text).decode()


def _message(record: logging.LogRecord) -> str:
    """Return a record's message; one whose values do not fit it is no reason to lose the line."""
    try:
        return record.getMessage()
    except Exception as error:  # user code
        return f"{record.msg} ({type(error).__name__} in its values)"


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # user code
        return f"<{type(value).__name__}: {type(error).__name__} in its __str__>"


def _printable(text: str) -> str:
    """Return text that can be written: a lone surrogate as its number."""
    return text.encode("utf-8", "backslashreplace").decode()
