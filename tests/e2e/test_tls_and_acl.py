"""TLS, and users with the least rights that docs/redis.md gives them: the whole life of jobs under both."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from redisjobs import Kill, RedisJobs, StoreError, StoreUnavailableError
from redisjobs.cli import main
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.real_redis import RealRedis, find_binary, free_port

DOCS = Path(__file__).parents[2] / "docs" / "redis.md"
PASSWORD = "secret"
_DEADLINE_S = 60
_LINE = re.compile(r"<!-- acl: (\w+) -->\n```\n(.*?)```", re.DOTALL)
SELDOM = {"client|setname", "client|list", "select", "type"}
"""What the lines allow and these tests do not always use: another database, names of connections, kinds of keys."""


def rights(role: str, namespace: str = "") -> list[str]:
    """Return the words of a line in the docs; a namespace is put in place of its patterns, as they say."""
    line = dict(_LINE.findall(DOCS.read_text("utf-8")))[role].replace("PASSWORD", PASSWORD).split()
    if not namespace:
        return line
    return [word for word in line if not word.startswith("~")] + [f"~{namespace}:*"]


class Certificates:
    """An authority of the tests' own, and a certificate of it for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.ca_key = folder / "ca.pem", folder / "ca.key"
        self.cert, self.key = folder / "cert.pem", folder / "cert.key"
        request, extra = folder / "request", folder / "extra"
        extra.write_text("subjectAltName=IP:127.0.0.1\n", "ascii")
        new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        _openssl(f"{new} -x509 -days 2 -subj /CN=tests -keyout {self.ca_key} -out {self.ca}")
        _openssl(f"{new} -subj /CN=redis -keyout {self.key} -out {request}")
        signed = f"x509 -req -days 2 -in {request} -CA {self.ca} -CAkey {self.ca_key} -CAcreateserial -out {self.cert}"
        _openssl(f"{signed} -extfile {extra}")

    def server(self, *, clients: str) -> RealRedis:
        """Return a server that speaks TLS on its `tls_port`; `clients`: whether it wants certificates of them."""
        return RealRedis(
            tls_port=free_port(),
            tls_cert_file=str(self.cert),
            tls_key_file=str(self.key),
            tls_ca_cert_file=str(self.ca),
            tls_auth_clients=clients,
        )


def _openssl(words: str) -> None:
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(certificates: Certificates) -> Iterator[RealRedis]:
    with certificates.server(clients="no") as made:
        yield made


@pytest.fixture
def tls(guarded: RealRedis) -> RealRedis:
    """A server that speaks TLS, with nothing in it and nothing refused so far."""
    guarded.client.flushall()
    guarded.client.acl_log_reset()
    guarded.client.config_resetstat()
    return guarded


def url_of(server: RealRedis, certificates: Certificates, login: str = "", more: str = "") -> str:
    port = server.client.config_get("tls-port")["tls-port"]
    return f"rediss://{login}127.0.0.1:{port}/0?ssl_ca_certs={certificates.ca}{more}"


async def apush(app: RedisJobs, name: str, *args: object) -> str | None:
    try:
        return await app.apush(name, args)
    finally:
        await app.aclose()


# -- TLS --------------------------------------------------------------------------------------------------------------


def test_a_server_is_trusted_if_its_authority_is(tls: RealRedis, certificates: Certificates) -> None:
    app = RedisJobs(url_of(tls, certificates))
    assert app.push("noop", [1])
    assert asyncio.run(apush(app, "noop", 2))
    app.close()

    for stranger in (
        f"rediss://127.0.0.1:{_tls_port(tls)}",
        url_of(tls, certificates).replace("127.0.0.1", "localhost"),
    ):
        other = RedisJobs(stranger, patience_s=0)
        with pytest.raises(StoreUnavailableError, match="certificate verify failed"):
            other.push("noop", [3])
        with pytest.raises(StoreUnavailableError, match="certificate verify failed"):
            asyncio.run(apush(other, "noop", 4))
        other.close()
    assert tls.client.llen("queue:default") == 2


def test_whom_a_server_trusts_shows_a_certificate(certificates: Certificates) -> None:
    with certificates.server(clients="yes") as server:
        own = f"&ssl_certfile={certificates.cert}&ssl_keyfile={certificates.key}"
        app = RedisJobs(url_of(server, certificates, more=own))
        assert app.push("noop", [1])
        assert asyncio.run(apush(app, "noop", 2))
        app.close()

        bare = RedisJobs(url_of(server, certificates), patience_s=0)
        with pytest.raises(StoreUnavailableError):
            bare.push("noop", [3])
        bare.close()


def test_sentinels_and_their_master_speak_tls(tls: RealRedis, certificates: Certificates, tmp_path: Path) -> None:
    port, files = free_port(), f"tls-cert-file {certificates.cert}\ntls-key-file {certificates.key}"
    (tmp_path / "conf").write_text(
        f"port 0\nbind 127.0.0.1\ntls-port {port}\n{files}\ntls-ca-cert-file {certificates.ca}\ntls-auth-clients no\n"
        f"tls-replication yes\ndir {tmp_path}\nlogfile {tmp_path}/log\n"
        f"sentinel monitor jobs 127.0.0.1 {_tls_port(tls)} 1\n",
        "ascii",
    )
    program = find_binary()
    assert program is not None
    with subprocess.Popen([program, str(tmp_path / "conf"), "--sentinel"], stdin=subprocess.DEVNULL) as sentinel:
        url = f"rediss+sentinel://127.0.0.1:{port}/jobs?ssl_ca_certs={certificates.ca}"
        app = RedisJobs(url, patience_s=_DEADLINE_S)
        try:
            assert app.push("noop", [1])
            assert asyncio.run(apush(app, "noop", 2))
            assert tls.client.llen("queue:default") == 2
        finally:
            app.close()
            sentinel.kill()


def _tls_port(server: RealRedis) -> int:
    return int(server.client.config_get("tls-port")["tls-port"])


# -- users ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["", "jobs"])
def test_a_producer_may_push_and_nothing_else(tls: RealRedis, certificates: Certificates, namespace: str) -> None:
    tls.client.execute_command(*rights("producer", namespace))
    tls.client.script_flush()
    app = RedisJobs(url_of(tls, certificates, f"producer:{PASSWORD}@"), namespace=namespace)

    assert app.push("noop", [1])
    assert app.push("noop", [2], delay_s=60)
    assert None not in app.push_many("noop", [[3], [4]])
    assert asyncio.run(apush(app, "noop", 5))
    assert refused(tls) == []
    assert rest("producer", tls) <= SELDOM

    with pytest.raises(StoreError, match=r"can't run this command|permissions"):
        app.queue().clear()
    app.close()


@pytest.mark.parametrize("namespace", ["", "jobs"])
def test_a_worker_needs_no_more_rights(
    tls: RealRedis, certificates: Certificates, fleet: Fleet, namespace: str
) -> None:
    """All that a worker does: runs, retries, deaths, what was due, what the dead held, a poison pill, signals."""
    tls.client.execute_command(*rights("worker", namespace))
    tls.client.script_flush()
    url = url_of(tls, certificates, f"worker:{PASSWORD}@")
    app = RedisJobs(url, namespace=namespace)
    settings = {"test_namespace": namespace, "heartbeat_ttl_s": 2, "reap_s": 0.3, "max_recoveries": 2}

    app.push("work", [1, 60.0])
    for _ in range(2):
        first = fleet.worker(url, **settings)
        eventually(partial(begun_by, fleet, first.pid), _DEADLINE_S)
        first.kill9()
    worker = fleet.worker(url, **settings)
    eventually(lambda: len(list(app.dead)) == 1, _DEADLINE_S, "the poison pill was not buried")
    live(app)
    for words in (*LOOKS, *CHANGES):
        options = ["--url", url, *(["--namespace", namespace] if namespace else [])]
        assert main.run([*words.split(), *options]) == 0, words
    app.metrics.mark("v2")
    assert any(job.histogram for job in app.metrics.runs().jobs)
    other_database = url.replace("/0?", "/1?")
    assert main.run(["move", "--all", "--from", url, "--to", other_database, *options]) == 0
    for process in app.processes:
        process.quiet()
    eventually(lambda: "quiet" in worker.log, _DEADLINE_S)
    assert worker.stop() == 0

    assert refused(tls) == []
    assert "permissions" not in worker.log
    assert rest("worker", tls) <= SELDOM
    app.close()


@pytest.mark.parametrize("namespace", ["", "jobs"])
def test_a_doctor_needs_only_to_read(tls: RealRedis, certificates: Certificates, namespace: str) -> None:
    tls.client.execute_command(*rights("doctor", namespace))
    tls.client.script_flush()
    app = RedisJobs(tls.url, namespace=namespace)
    app.push("noop", [1])
    app.push("noop", [2], delay_s=60)
    tls.client.rpush(app.keys.lease("gone", "dead:1:a"), "job")
    with app.worker(queues=["other"], concurrency=1, heartbeat_ttl_s=60):
        limited = RedisJobs(url_of(tls, certificates, f"doctor:{PASSWORD}@"), namespace=namespace)
        report = limited.doctor()
        limited.close()
    app.close()

    assert report.of("unknown") == []
    assert {"unheard", "strays", "persistence"} <= {finding.check for finding in report.findings}
    assert refused(tls) == []
    assert rest("doctor", tls) <= SELDOM
    with pytest.raises(StoreError, match=r"can't run this command|permissions"):
        RedisJobs(url_of(tls, certificates, f"doctor:{PASSWORD}@"), namespace=namespace).queue().clear()


@pytest.mark.parametrize("namespace", ["", "jobs"])
def test_an_exporter_needs_only_to_read(tls: RealRedis, certificates: Certificates, namespace: str) -> None:
    tls.client.execute_command(*rights("exporter", namespace))
    app = RedisJobs(tls.url, namespace=namespace)
    live(app)
    app.push("noop", [1])
    with app.worker(queues=["other"], concurrency=1):
        limited = RedisJobs(url_of(tls, certificates, f"exporter:{PASSWORD}@"), namespace=namespace)
        text = limited.exporter().scrape()
        limited.close()
    app.close()

    assert "redisjobs_scrape_errors_total 0\n" in text
    assert 'redisjobs_processes{language="python"} 1\n' in text
    assert "redisjobs_job_executions_total{" in text
    assert refused(tls) == []
    assert rest("exporter", tls) <= SELDOM


def test_a_doctor_with_a_workers_rights_says_what_it_could_not_check(
    tls: RealRedis, certificates: Certificates
) -> None:
    tls.client.execute_command(*rights("worker"))
    app = RedisJobs(url_of(tls, certificates, f"worker:{PASSWORD}@"))
    app.push("noop", [1])

    report = app.doctor()
    app.close()

    needs = {part for finding in report.of("unknown") for part in finding.remedy.split("; ")}
    assert needs == {"needs +config|get", "needs +slowlog|get", "needs +scan"}
    assert [finding.check for finding in report.of("problem")] == ["workers", "unheard"]


def begun_by(fleet: Fleet, pid: int) -> bool:
    """Tell whether the first job was begun by a process."""
    return pid in fleet.runs.pids(1)


def live(app: RedisJobs) -> None:
    """Have jobs run, fail, be retried, be buried, released, scheduled, in a worker of this process."""
    ran: list[str] = []

    @app.job(queue="in-here")
    def good(name: str) -> None:
        ran.append(name)

    @app.job(queue="in-here", retry=1)
    def bad() -> None:
        raise ValueError("as told")

    @app.job(queue="in-here")
    def killed() -> None:
        raise Kill("as told")

    watch = app.watch()
    watch.look(0.01)
    with app.worker(queues=["in-here"], concurrency=2, max_poll_s=0.05, heartbeat_ttl_s=2) as worker:
        eventually(lambda: good.enqueue("seen") and watch.look(0.1), _DEADLINE_S, "nobody told who watches")
        assert worker.drain(_DEADLINE_S)
        ran.clear()
        good.enqueue("now")
        good.enqueue_in(0.1, "later")
        bad.enqueue()
        killed.enqueue()
        good.enqueue_many([("many",)] * 20)
        eventually(lambda: len(ran) == 22, _DEADLINE_S)
        assert worker.drain(_DEADLINE_S)


LOOKS = ("stats", "queues", "queue default", "retries ls", "scheduled ls", "dead ls", "processes")
CHANGES = (
    "queue default pause",
    "queue default resume",
    "retries retry --all",
    "errors",
    "enqueue Nobodys --queue idle",
    "delete --in queue:idle --where class=Nobodys --yes",
    "enqueue Nobodys --in 3600",
    "reschedule --in scheduled --where class=Nobodys --by 1h --yes",
    "retry --in scheduled --where class=Nobodys --yes",
    "dead clear --yes",
    "queue default clear --yes",
)


def refused(server: RealRedis) -> list[Any]:
    """Return what users were not allowed to do."""
    return [(one["username"], one["reason"], one["object"]) for one in server.client.acl_log()]


def rest(role: str, server: RealRedis) -> set[str]:
    """Return the commands that a line allows and that nobody used since the start of the test."""
    allowed = {word[1:] for word in rights(role) if word.startswith("+")}
    used = {name.removeprefix("cmdstat_") for name in server.client.info("commandstats")}
    return allowed - used
