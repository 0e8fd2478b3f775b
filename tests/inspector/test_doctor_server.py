"""The doctor's checks of the server, each on a server that is in that condition."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from redisjobs import RedisJobs, clock
from redisjobs.inspector import Access
from redisjobs.inspector.doctor import server_checks
from redisjobs.inspector.doctor.facts import Facts, gather
from redisjobs.inspector.doctor.look import Look
from tests.inspector.doctored import SOUND, doctor, found, ruby, the
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis, free_port

pytestmark = pytest.mark.quick

StartServer = Callable[..., RealRedis]
_DEADLINE_S = 60


# -- all is well ------------------------------------------------------------------------------------------------------


def test_a_sound_server_with_a_running_worker_has_no_findings(server: StartServer) -> None:
    app = RedisJobs(server(**SOUND).url)
    ran = threading.Event()

    @app.job(queue="mailers")
    def mail() -> None:
        ran.set()

    with app.worker(queues=["mailers", "default"], concurrency=2):
        mail.enqueue()
        mail.enqueue_in(3600)
        assert ran.wait(_DEADLINE_S)
        report = app.doctor()
    app.close()

    assert [finding.what for finding in report.findings] == []
    assert report.healthy
    assert report.partial == []
    assert (report.server["role"], report.server["processes"], report.server["appendonly"]) == ("master", 1, True)


def test_to_examine_changes_nothing(redis: RealRedis) -> None:
    ruby(redis)
    redis.seed({"queues": {"q"}, "queue:q": ["job"], "retry": {"job": 1.0}, "schedule": "x"})
    before = redis.dump()

    doctor(redis)

    assert redis.dump() == before


# -- whether it is there ----------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_a_finding() -> None:
    with RealRedis() as gone:
        url = gone.url

    report = doctor(gone, url=url)

    assert the(report, "connection").level == "problem"
    assert "no answer from Redis at" in the(report, "connection").what
    assert report.server == {}


def test_a_refused_login_is_a_finding(server: StartServer) -> None:
    guarded = server(requirepass="secret")

    report = doctor(guarded, url=guarded.url.replace("secret", "wrong"))

    assert "refused the login" in the(report, "connection").what


# -- what it is -------------------------------------------------------------------------------------------------------


@pytest.fixture
def facts(access: Access, redis: RealRedis) -> Facts:
    """What is asked of the session's server."""
    return gather(Look(access), "sidekiq8")


def told(facts: Facts, **info: str) -> Facts:
    """Return facts of a server that tells other things of itself: what none that can be had here does."""
    return structs.replace(facts, server=structs.replace(facts.server, info={**facts.server.info, **info}))


def test_a_server_that_is_too_old_is_a_problem(facts: Facts) -> None:
    plain = structs.replace(facts.server, info={"redis_version": "6.0.16"})
    (redis,) = server_checks.version(structs.replace(facts, server=plain))
    (valkey,) = server_checks.version(told(facts, valkey_version="7.0.1"))

    assert (redis.level, redis.what) == ("problem", "redis 6.0.16 is too old")
    assert "6.2 or newer" in redis.remedy
    assert "valkey 7.2 or newer" in valkey.remedy
    assert list(server_checks.version(facts)) == []


def test_a_server_too_old_for_the_ruby_that_works_here_is_a_warning(redis: RealRedis, access: Access) -> None:
    ruby(redis, generation=8)
    facts = gather(Look(access), "sidekiq8")
    old = structs.replace(facts, server=structs.replace(facts.server, info={"redis_version": "6.2.14"}))

    (finding,) = server_checks.version(old)

    assert (finding.level, "wants Redis 7" in finding.what) == ("warning", True)


def test_a_replica_is_a_problem_and_one_that_has_not_all_yet_a_warning(server: StartServer) -> None:
    master = server(**SOUND, repl_diskless_sync="yes", repl_diskless_sync_delay=600)
    replica = server(**SOUND, replicaof=f"127.0.0.1 {master.port}")
    eventually(lambda: master.client.info("replication")["connected_slaves"] == 1, _DEADLINE_S)

    one, other = doctor(replica), doctor(master)

    assert the(one, "role").level == "problem"
    assert f"replica of 127.0.0.1:{master.port}, and cut off" in the(one, "role").what
    assert the(other, "replicas").level == "warning"
    assert the(other, "replicas").facts["replicas"][0]["state"] != "online"

    master.client.config_set("repl-diskless-sync-delay", 0)
    eventually(lambda: replica.client.info("replication")["master_link_status"] == "up", _DEADLINE_S)
    assert "cut off" not in the(doctor(replica), "role").what
    eventually(lambda: found(doctor(master), "replicas") == [], _DEADLINE_S)


# -- what it may throw away, and what it can lose ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "maxmemory", "level", "whose"),
    [
        ("allkeys-lru", "100mb", "problem", "when it is full, Redis deletes any key, whole queues too"),
        ("allkeys-lru", "0", "warning", "once it gets a maxmemory, Redis deletes any key"),
        ("volatile-ttl", "100mb", "warning", "heartbeats, so that live workers count as dead"),
        ("volatile-ttl", "0", None, ""),
        ("noeviction", "100mb", None, ""),
    ],
)
def test_a_policy_that_deletes_is_found(
    server: StartServer, policy: str, maxmemory: str, level: str | None, whose: str
) -> None:
    report = doctor(server(**SOUND, maxmemory_policy=policy, maxmemory=maxmemory))

    assert [finding.level for finding in found(report, "eviction")] == ([level] if level else [])
    assert all(whose in finding.what and "noeviction" in finding.remedy for finding in found(report, "eviction"))


@pytest.mark.parametrize(("policy", "level"), [("allkeys-lru", "problem"), ("volatile-lru", "warning")])
def test_keys_that_were_evicted_are_told(server: StartServer, policy: str, level: str) -> None:
    full = server(**SOUND, maxmemory_policy=policy)
    full.client.config_set("maxmemory", full.client.info("memory")["used_memory"] + 2_000_000)
    for number in range(100):
        full.client.set(f"cache:{number}", "x" * 100_000, ex=600)

    evicted = the(doctor(full), "evicted")

    assert evicted.level == level
    assert evicted.facts["evicted_keys"] > 0


@pytest.mark.parametrize(("used", "level"), [(0.87, "warning"), (0.97, "problem"), (50.0, "problem"), (0.1, None)])
def test_a_server_that_is_nearly_or_quite_full_is_found(server: StartServer, used: float, level: str | None) -> None:
    """Quite full it refuses writes; the doctor makes none."""
    full = server(**SOUND)
    doctor(full)  # its connection takes memory too
    full.client.config_set("maxmemory", int(full.client.info("memory")["used_memory"] / used))

    report = doctor(full)

    assert [finding.level for finding in found(report, "memory")] == ([level] if level else [])
    assert report.of("unknown") == []


def test_a_server_without_a_limit_is_held_against_its_machine(facts: Facts) -> None:
    (finding,) = server_checks.memory(told(facts, used_memory="900", total_system_memory="1000", maxmemory="0"))

    assert "90% of the machine's memory" in finding.what


@pytest.mark.parametrize(
    ("options", "level", "what"),
    [
        ({}, "problem", "a restart of Redis loses all jobs"),
        ({"save": "3600 1"}, "warning", "only snapshots are kept (save 3600 1)"),
        ({"appendonly": "yes", "appendfsync": "no"}, "warning", "appendfsync is no"),
        ({"appendonly": "yes"}, None, ""),
    ],
)
def test_what_is_not_written_to_disk_is_told(
    server: StartServer, options: dict[str, Any], level: str | None, what: str
) -> None:
    report = doctor(server(**options))

    assert [finding.level for finding in found(report, "persistence")] == ([level] if level else [])
    assert all(what in finding.what for finding in found(report, "persistence"))


def test_replicas_instead_of_a_disk_are_a_warning(server: StartServer) -> None:
    master = server()
    server(replicaof=f"127.0.0.1 {master.port}")
    eventually(lambda: master.client.info("replication")["connected_slaves"] == 1, _DEADLINE_S)

    assert the(doctor(master), "persistence").level == "warning"


def test_a_snapshot_that_failed_is_a_problem(server: StartServer) -> None:
    broken = server(**SOUND, dbfilename="folder.rdb")
    (broken.folder / "folder.rdb").mkdir()
    broken.client.bgsave()
    eventually(lambda: broken.client.info("persistence")["rdb_last_bgsave_status"] == "err", _DEADLINE_S)

    finding = the(doctor(broken), "saving")

    assert (finding.level, finding.facts["field"]) == ("problem", "rdb_last_bgsave_status")


# -- how near it is to its limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "level"), [(33, "warning"), (38, "problem")])
def test_many_clients_are_found(server: StartServer, count: int, level: str) -> None:
    busy = server(**SOUND, maxclients=40)
    with ExitStack() as stack:
        for _ in range(count - 1):
            stack.enter_context(socket.create_connection(("127.0.0.1", busy.port)))
        eventually(lambda: busy.client.info("clients")["connected_clients"] >= count, _DEADLINE_S)

        assert the(doctor(busy), "clients").level == level


def test_clients_that_were_refused_are_told(server: StartServer) -> None:
    busy = server(**SOUND, maxclients=10)
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(socket.create_connection(("127.0.0.1", busy.port)))
        eventually(lambda: busy.client.info("stats")["rejected_connections"] > 0, _DEADLINE_S)
    eventually(lambda: busy.client.info("clients")["connected_clients"] == 1, _DEADLINE_S)

    assert "refused since this server started" in the(doctor(busy), "clients").what


@pytest.fixture
def far_away(redis: RealRedis, tmp_path: Path) -> Iterator[str]:
    """The URL of a server whose answers take 50 ms."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))

    def pump(source: socket.socket, target: socket.socket, delay_s: float) -> None:
        with source, target, suppress(OSError):  # the other direction may have closed both
            while data := source.recv(65536):
                time.sleep(delay_s)  # the distance itself
                target.sendall(data)

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", redis.port))
            for pair in ((near, far, 0.0), (far, near, 0.05)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"redis://127.0.0.1:{port}"
    listener.close()


def test_a_server_that_is_far_away_is_found(redis: RealRedis, far_away: str) -> None:
    finding = the(doctor(redis, url=far_away), "latency")

    assert finding.level == "warning"
    assert finding.facts["ping_s"] >= 0.05


def test_commands_that_blocked_the_server_are_told_without_their_arguments(server: StartServer) -> None:
    slow = server(appendonly="yes", slowlog_log_slower_than=10_000)
    slow.client.eval("for _ = 1, 3e7 do end return ARGV[1]", 0, "secret argument")
    eventually(lambda: len(slow.client.slowlog_get()) == 1, _DEADLINE_S)
    finding = the(doctor(slow), "slowlog")

    assert finding.level == "warning"
    assert "EVAL" in finding.what
    assert "secret argument" not in str(finding)


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [(20, "warning", "20 s ahead of"), (-20, "warning", "behind"), (3600, "problem", "60 min ahead of"), (0, None, "")],
)
def test_a_clock_of_this_machine_that_is_wrong_is_found(
    redis: RealRedis, monkeypatch: pytest.MonkeyPatch, ahead_s: float, level: str | None, words: str
) -> None:
    monkeypatch.setattr(clock, "now", lambda: time.time() + ahead_s)

    report = doctor(redis)

    assert [finding.level for finding in found(report, "clock")] == ([level] if level else [])
    assert all(words in finding.what for finding in found(report, "clock"))


# -- with few rights --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forbidden", "check", "remedy"),
    [
        ("-info", "memory", "needs +info"),
        ("-config", "persistence", "needs +config|get"),
        ("-slowlog", "slowlog", "needs +slowlog|get"),
        ("-scan", "strays", "needs +scan"),
        ("-time", "clock", "needs +time"),
        ("-ping", "latency", "needs +ping"),
        ("-type", "types", "needs +type"),
        ("-evalsha", "payloads", "needs +eval"),
        ("-smembers", "unheard", "needs +smembers"),
        ("-hkeys", "leases", "needs +hkeys"),
        ("-hmget", "workers", "needs +hmget"),
        ("resetkeys", "types", "needs the right to read keys such as queues"),
    ],
)
def test_what_a_user_may_not_ask_is_unknown_and_no_failure(
    server: StartServer, forbidden: str, check: str, remedy: str
) -> None:
    guarded = server(**SOUND)
    ruby(guarded, queues=["q"])
    guarded.seed({"queues": {"q"}, "queue:q": ["job"], "lease-queues": {"q"}})
    guarded.client.execute_command(*f"ACL SETUSER doctor reset on >pw ~* +@all {forbidden}".split())

    report = doctor(guarded, url=guarded.url.replace("unix://", "unix://doctor:pw@"))

    finding = the(report, check)
    assert (finding.level, finding.what) == ("unknown", f"{check} could not be checked")
    assert remedy in finding.remedy
    assert report.healthy


def test_who_may_nothing_at_all_is_told_what_is_missing(server: StartServer) -> None:
    guarded = server(**SOUND)
    guarded.client.execute_command(*["ACL", "SETUSER", "nobody", "reset", "on", ">pw"])

    report = doctor(guarded, url=guarded.url.replace("unix://", "unix://nobody:pw@"))

    assert {finding.level for finding in report.findings} == {"unknown"}
    assert len(report.findings) > 20
