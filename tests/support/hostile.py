"""Jobs and processes that mean ill: texts that would be markup, code, paths or endless, in every field; and no jobs.

A text that is run says so: it sets `window.hostile`, which `tests.support.browser` counts as a failure.
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.support.real_redis import RealRedis

TEXTS: dict[str, str] = {
    "script": "<script>window.hostile='script'</script>",
    "image": "<img src=x onerror=\"window.hostile='image'\">",
    "attribute": "\"'><svg onload=window.hostile='attribute'>",
    "comment": "--><script>window.hostile='comment'</script><!--",
    "closing": "</title></style></textarea></pre></script><script>window.hostile='closing'</script>",
    "link": "javascript:window.hostile='link'",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}#{7*7}",
    "entities": "&lt;script&gt;&amp;amp;&#x3c;",
    "right to left": "abc\u202egnp.exe\u2066\u2067 \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "control": "".join(map(chr, range(32))) + "\x7f\x80\x9b31m\x1b[31mred\x1b]0;title\x07",
    "NUL": "a\0b",
    "lines": "one\r\nSet-Cookie: hostile=1\r\n\r\n<h1>two</h1>\u2028\u2029",
    "path": "../../../etc/passwd?a=1&b=2#c%2e%2e%2f%00",
    "zalgo": "Z" + "\u0351\u0352\u0317\u0316" * 200,
    "invisible": "\u200b\u200c\u200d\ufeff\u00ad\u2060",
    "wide": "\ufdfd\U0001f468\u200d\U0001f469\u200d\U0001f467\U00012fff\U0010ffff",
    "no break": "W" * 20_000,
    "not a character": "\ufffe\uffff\ufdd0",
    "blank": " ",
    "nothing": "",
}
ERROR_FIELDS = ("error_class", "error_message", "error_backtrace")
FIELDS = ("class", "display_class", "queue", "jid", "bid", "tags", "args", *ERROR_FIELDS)
NO_UNICODE = b'"\\ud800 <b>\\udfff"'
"""A text in JSON with lone surrogates: what a program in C may write, and no decoder of Python takes."""

LARGE, INFLATES = "large".ljust(24, "0"), "inflates".ljust(24, "0")
ARGS_BYTES = 10_000_000
INFLATED_BYTES = 300_000_000
NO_JOBS: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "number": b"2",
    "array": b"[]",
    "object": b"{}",
    "truncated": b'{"class":"Mail","args":[1',
    "all bytes": bytes(range(256)),
    "no UTF-8": b'{"class":"\xff<script>","args":["\xed\xa0\x80"],"jid":"n1","queue":"default"}',
    "lone surrogates": b'{"class":"Mail","args":[%s],"jid":"n2","queue":%s}' % (NO_UNICODE, NO_UNICODE),
    "markup": b"<script>window.hostile='bare'</script>",
    "deep": b'{"class":"Mail","jid":"n3","args":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "same name twice": b'{"class":"Mail","class":"<i>","jid":"n4","args":[],"queue":"default"}',
    "huge number": b'{"class":"Mail","jid":"n5","args":[1e999,' + b"9" * 5_000 + b'],"queue":"default"}',
    "wrong types": b'{"class":{"a":[1]},"jid":["<b>"],"queue":7,"args":"<b>","tags":"<b>","error_class":[],'
    b'"error_message":{"<b>":1},"retry_count":"<b>","failed_at":"<b>","created_at":"<b>","enqueued_at":1e300,'
    b'"error_backtrace":7,"at":null,"retry":"<b>"}',
}


def seed(redis: RealRedis) -> None:
    """Add all of it to what is there: to the queue `hostile`, the sets, the registry of processes and the metrics."""
    now = time.time()
    raws = [*jobs(now), *NO_JOBS.values()]
    redis.client.sadd("queues", "hostile")
    redis.client.rpush("queue:hostile", *raws)
    for key in ("retry", "dead", "schedule"):
        redis.client.zadd(key, {raw: now + 3600 + number for number, raw in enumerate(raws)})
    redis.client.zadd("dead", {b'{"class":"Mail","jid":"inf","args":[]}': float("inf")})
    for text in (*map(_utf8, TEXTS.values()), b"\xff\xfe", b"\xed\xa0\x80"):
        redis.client.sadd("queues", text)
        redis.client.rpush(b"queue:" + text, raws[0])
    for number, text in enumerate(TEXTS.values()):
        _process(redis, f"hostile:{number}:{text[:200]}", text, now)
    _metrics(redis, now)


def jobs(now: float) -> Iterator[bytes]:
    """Yield a job for each text in each field, one with 10 MB of arguments, one whose backtrace inflates to 300 MB."""
    for at, field in enumerate(FIELDS):
        for number, text in enumerate(TEXTS.values()):
            yield _job(now, {"jid": f"h{at:02}{number:02}".ljust(24, "0"), field: _value(field, text)})
    large = ["<b>" * (ARGS_BYTES // 6), {"k" * 100: ["x" * 99] * (ARGS_BYTES // 200)}]
    yield _job(now, {"jid": LARGE, "args": large})
    yield _job(now, {"jid": INFLATES, "error_backtrace": _packed(b'["' + b"<" * INFLATED_BYTES + b'"]')})


def _value(field: str, text: str) -> Any:
    if field == "args":
        return [text, {text: [text]}]
    if field == "tags":
        return [text, text]
    return _packed(msgspec.json.encode([text, text])) if field == "error_backtrace" else text


def _packed(lines: bytes) -> str:
    return base64.b64encode(zlib.compress(lines, 1)).decode()


def _job(now: float, fields: dict[str, Any]) -> bytes:
    now_ms = int(now * 1000)
    plain = {"class": "Mail", "queue": "hostile", "args": [1], "retry": True, "retry_count": 1}
    plain |= {"error_class": "Boom", "error_message": "boom", "failed_at": now_ms, "created_at": now_ms}
    return msgspec.json.encode(plain | {"enqueued_at": now_ms} | fields)


def _process(redis: RealRedis, identity: str, text: str, now: float) -> None:
    """Register a process that says the text wherever it may say something, and runs a job of it."""
    name = _utf8(identity)
    info = {"hostname": text, "pid": 1, "tag": text, "started_at": now - 60, "concurrency": 5, "queues": [text]}
    info |= {"labels": [text, text], "version": text, "identity": identity, "weights": [{text: 1}], "embedded": False}
    running = _job(now, {"jid": "running".ljust(24, "0"), "class": text, "queue": text, "args": [text]})
    work = {"queue": text, "payload": running.decode(), "run_at": int(now) - 5}
    beat = {"busy": 1, "concurrency": 5, "beat": now, "quiet": text, "rss": text or "x", "rtt_us": text or "x"}
    redis.client.sadd("processes", name)
    redis.client.hset(name, mapping={"info": msgspec.json.encode(info), **{key: _bytes(beat[key]) for key in beat}})
    redis.client.hset(name + b":work", mapping={_utf8(text) or b"t": msgspec.json.encode(work), b"t2": b"<b>no JSON"})
    redis.client.expire(name, 3600)


def _metrics(redis: RealRedis, now: float) -> None:
    """Count a run of a class by each text's name, at this minute; and a deploy."""
    at = time.gmtime(now)
    minute = time.strftime("%y%m%d|", at) + f"{at.tm_hour}:{at.tm_min:02}"
    for text in map(_utf8, TEXTS.values()):
        for key in (f"j|{minute}", f"j|{minute[:-1]}"):
            redis.client.hset(key, mapping={text + b"|p": 9, text + b"|f": 1, text + b"|ms": 800, text: text})
    marks = {
        time.strftime(f"%Y-%m-%dT%H:{number % 60:02}:00Z", at): _utf8(text)
        for number, text in enumerate(TEXTS.values())
    }
    redis.client.hset(time.strftime("%Y%m%d-marks", at), mapping=marks)


def _bytes(value: Any) -> bytes:
    return _utf8(value) if isinstance(value, str) else str(value).encode()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8")
