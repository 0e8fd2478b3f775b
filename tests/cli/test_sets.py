"""`retries`, `scheduled`, `dead`: each command on jobs, and on what is no job."""

from __future__ import annotations

import base64
import json
import time

import pytest

from redisjobs.errors import PayloadError
from redisjobs.wire import backtrace, deadletter
from tests.cli.conftest import Cli
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

SETS = [("retries", "retry"), ("scheduled", "schedule"), ("dead", "dead")]


def a_failed(jid: str, **fields: object) -> bytes:
    """Return a job that failed once."""
    failed = {"retry_count": 0, "error_class": "RuntimeError", "error_message": "boom", "failed_at": 1_732_406_401_000}
    return a_payload(jid=jid, **{**failed, **fields})


def test_retries_tell_when_and_why(cli: Cli, redis: RealRedis) -> None:
    now = time.time()
    redis.seed({"retry": {a_failed("j1", args=[1, "two"]): now + 120.5, b"[]": float("inf"), b"junk": float("-inf")}})

    ran = cli("retries")

    assert ran.rows == [
        ["NEXT RUN", "JOB", "JID", "QUEUE", "RETRIES", "ERROR", "ARGS"],
        ["long ago", "(malformed)", ran.rows[1][2], ran.rows[1][3], "junk"],
        ["in 2 min", "Mail", "j1", "default", "0", "RuntimeError: boom", '[1, "two"]'],
        ["never", "(malformed)", ran.rows[3][2], ran.rows[3][3], "[]"],
    ]
    assert ran.rows[1][2].startswith("raw-")
    assert ran.rows[3][3].startswith("payload: not an object")


def test_the_scheduled_are_listed_soonest_first(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"schedule": {a_payload(jid="late"): time.time() + 90_000, a_payload(jid="soon"): time.time() + 30.5}})

    ran = cli("scheduled")

    assert ran.rows[0] == ["DUE", "JOB", "JID", "QUEUE", "ARGS"]
    assert [(row[0], row[2]) for row in ran.rows[1:]] == [("in 30 s", "soon"), ("in 24 h", "late")]


@pytest.mark.parametrize(("group", "key"), SETS)
def test_listings_are_bounded_and_searched(cli: Cli, redis: RealRedis, group: str, key: str) -> None:
    redis.seed({key: {a_payload(jid=f"j{at}", args=[f"user-{at}"]): 1e9 + at for at in range(40)}})

    assert len(cli(group).rows) == 1 + 25 + 1
    assert cli(group).rows[-1][0].startswith("25 of 40;")
    assert len(cli(group, "ls", "--offset", "30", "--json").json) == 10
    assert [entry["jid"] for entry in cli(group, "ls", "--match", "user-17", "--json").json] == ["j17"]
    assert cli(group, "ls", "--match", "nobody").out == "no jobs\n"


def test_json_has_the_payload_as_it_stands(cli: Cli, redis: RealRedis) -> None:
    """Numbers too: 20 digits stay 20 digits."""
    raw = a_failed("j1", args=[12345678901234567890123])
    redis.seed({"retry": {raw: 2e9, b"\xff": float("inf")}})

    ran = cli("retries", "--json")

    assert "12345678901234567890123" in ran.out
    assert ran.json[0]["payload"] == json.loads(raw)
    assert (ran.json[0]["at"], ran.json[1]["at"]) == (2e9, "inf")
    assert base64.b64decode(ran.json[1]["raw_base64"]) == b"\xff"
    assert "not" in ran.json[1]["malformed"]


def test_show_tells_everything(cli: Cli, redis: RealRedis) -> None:
    packed = backtrace.pack(["app.py:3:in `<module>'", "lib.py:9:in `run'"], "sidekiq7")
    redis.seed({"retry": {a_failed("j1", error_backtrace=packed, tags=["eu"], x={"y": 1}): 2_000_000_000.5}})

    ran = cli("retries", "show", "j1")

    for text in ("RuntimeError: boom", "    app.py:3:in `<module>'", "2033-05-18 03:33:20 UTC", "eu", '"y": 1'):
        assert text in ran.out
    assert cli("retries", "show", "j1", "--json").json["backtrace"] == ["app.py:3:in `<module>'", "lib.py:9:in `run'"]


def test_malformed_bytes_are_shown_as_they_came(cli: Cli, redis: RealRedis) -> None:
    """Bare, or out of the envelope that a worker put around them."""
    problem = PayloadError("payload", "not an object")
    raw = b'["\xff\x1b[31m"]'
    wrapped = deadletter.wrap(raw, problem, queue="q", at=1.0, wire="sidekiq8")
    jid = json.loads(wrapped)["jid"]
    redis.seed({"dead": {wrapped: 1.0, b"bare\x00": 2.0}})
    bare_id = cli("dead", "--json").json[0]["id"]

    assert '["\\xff\\x1b[31m"]' in cli("dead", "show", jid).out
    assert base64.b64decode(cli("dead", "show", jid, "--json").json["original_base64"]) == raw
    assert "bare\\x00" in cli("dead", "show", bare_id).out


def test_raw_bytes_can_be_piped(cli: Cli, redis: RealRedis, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    redis.seed({"dead": {b'{"jid":': 2.0}})

    assert cli("dead", "show", cli("dead", "--json").json[0]["id"], "--raw").out == '{"jid":'


@pytest.mark.parametrize(("group", "key"), SETS)
@pytest.mark.parametrize("command", ["show", "retry", "delete"])
def test_what_is_not_there_exits_1(cli: Cli, redis: RealRedis, group: str, key: str, command: str) -> None:
    redis.seed({key: {a_payload(jid="j1", args=["nothing"]): 1e9}})
    before = redis.dump()

    ran = cli(group, command, "nothing")

    assert ran.status == 1
    assert "nothing" in ran.err
    assert "not in the " in ran.err
    assert redis.dump() == before


def test_jobs_are_retried_now(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed("j1", retry_count=3): 9e9, a_failed("j2"): 9e9, a_failed("j3"): 9e9}})

    ran = cli("retries", "retry", "j1", "gone", "j2")

    assert (ran.status, ran.out) == (1, "2 enqueued\n")
    assert ran.err == "Error: gone: not in the retry set\n"
    assert [json.loads(raw)["retry_count"] for raw in redis.value("queue:default")] == [-1, 2]
    assert cli("retries", "retry", "--all", "--json").json == {"enqueued": 1, "left": []}
    assert redis.value("retry") is None


def test_the_scheduled_are_enqueued_with_their_wire(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"schedule": {a_payload(jid="j1", enqueued_at=...): 9e9}})

    cli("scheduled", "--wire", "sidekiq7", "retry", "j1")

    assert json.loads(redis.value("queue:default")[0])["enqueued_at"] == pytest.approx(time.time(), abs=10)


def test_what_cannot_be_retried_stays_and_is_told(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"dead": {f"junk {at}": float(at) for at in range(7)} | {a_failed("j1"): 9.0}})
    one = next(entry["id"] for entry in cli("dead", "--json").json if not entry["jid"])

    everything = cli("dead", "retry", "--all")
    single = cli("dead", "retry", one)
    told = cli("dead", "retry", one, "--queue", "q")

    assert (everything.status, everything.out) == (1, "1 enqueued\n")
    assert everything.err.count("say which queue") == 5
    assert "and 2 more" in everything.err
    assert (single.status, single.out) == (1, "0 enqueued\n")
    assert (told.status, told.out) == (0, "1 enqueued\n")
    assert len(redis.value("dead")) == 6
    assert len(redis.value("queue:q")) == 1


def test_the_envelope_says_how_to_get_its_bytes_back_and_it_works(cli: Cli, redis: RealRedis) -> None:
    problem = PayloadError("payload", "not an object")
    wrapped = deadletter.wrap(b"null", problem, queue="low", at=1.0, wire="sidekiq8")
    jid = json.loads(wrapped)["jid"]
    redis.seed({"dead": {wrapped: 1.0}})

    (told,) = [word for word in json.loads(wrapped)["error_message"].split("`") if "retry" in word]
    ran = cli(*told.removeprefix("redisjobs ").replace("JID", jid).split())

    assert ran.out == "1 enqueued\n"
    assert redis.dump() == {"queues": {"low"}, "queue:low": ["null"]}


@pytest.mark.parametrize(("group", "key"), SETS)
def test_jobs_are_deleted_one_by_one_and_all(cli: Cli, redis: RealRedis, group: str, key: str) -> None:
    redis.seed({key: {a_payload(jid=f"j{at}"): 1e9 + at for at in range(5)}})

    assert cli(group, "delete", "j1", "j2").out == "2 deleted\n"
    assert redis.client.zcard(key) == 3
    assert cli(group, "delete", "--all", "--yes", "--json").json == {"deleted": 3, "left": []}
    assert cli(group, "clear", "--yes").out == "0 deleted\n"
    assert redis.dump() == {}


@pytest.mark.parametrize(("group", "key"), SETS[:2])
def test_jobs_are_killed(cli: Cli, redis: RealRedis, group: str, key: str) -> None:
    redis.seed({key: {a_payload(jid=f"j{at}"): 9e9 for at in range(3)}})

    assert cli(group, "kill", "j1").out == "1 killed\n"
    assert list(redis.value("dead")) == [a_payload(jid="j1").decode()]
    assert cli(group, "kill", "--all", "--yes").out == "2 killed\n"
    assert cli(group, "kill", "j1").status == 1
    assert list(redis.dump()) == ["dead"]


@pytest.mark.parametrize(("group", "key"), SETS)
@pytest.mark.parametrize("command", ["ls", "show j1", "retry j1", "retry --all", "delete j1", "clear --yes"])
def test_a_wrong_key_is_named_and_left_alone(cli: Cli, redis: RealRedis, group: str, key: str, command: str) -> None:
    redis.seed({key: ["a", "list"]})

    ran = cli(group, *command.split())

    assert ran.status == 1
    assert f"'{key}' is a list, not a zset" in ran.err
    assert redis.dump() == {key: ["a", "list"]}
