"""Redis behind TLS and an ACL."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from chaos.scenarios.outages import load, settled, steady
from chaos.trial import Trial
from tests.support.real_redis import RealRedis, free_port

ACL = (
    "resetchannels ~queues ~queue:* ~schedule ~retry ~dead ~stat:* ~processes ~paused ~lease* ~pushed:* ~*:*:* "
    "-@all +ping +time +multi +exec +eval +evalsha +select +client|id +client|reply +client|unblock "
    "+get +set +del +unlink +exists +type +expire +pexpire +incr +incrby "
    "+hset +hget +hdel +hlen +hkeys +hmget +hgetall "
    "+llen +lpush +rpush +rpop +lrem +lrange +lindex +blmove "
    "+sadd +srem +scard +sismember +smembers "
    "+zadd +zrem +zcard +zrange +zrangebyscore +zremrangebyrank +zremrangebyscore"
)
"""All that a worker and a producer of ours need, as the rules of a user; from Redis 7.2 on redis-py tells its name, too
(`+client|setinfo`), and does without if it may not."""


def tls(trial: Trial) -> None:
    """TLS with a CA of its own, and a user who may do no more than a worker must; Redis is killed and comes back."""
    folder = trial.folder
    _certify(folder)
    users = folder / "users.acl"
    users.write_text(f"user default on nopass ~* &* +@all\nuser jobs on >secret {ACL}\n")
    port = free_port()
    redis = trial.server(
        appendonly="yes",
        appendfsync="always",
        aclfile=str(users),
        tls_port=port,
        tls_auth_clients="no",
        tls_ca_cert_file=str(folder / "ca.crt"),
        tls_cert_file=str(folder / "redis.crt"),
        tls_key_file=str(folder / "redis.key"),
    )
    trial.url = f"rediss://jobs:secret@127.0.0.1:{port}/0?ssl_ca_certs={folder / 'ca.crt'}"
    with load(trial, patience_s=5):
        for _ in range(trial.pick(1, 5)):
            steady(trial)
            trial.push([0.0] * 50)
            scheduled = trial.numbers(1)
            trial.app().push("work", [*scheduled, 0.0], delay_s=0.5)
            trial.confirmed.update(scheduled)
            redis.kill9()
            redis.start()
            trial.consuming_again(time.monotonic(), 5, each=True)
    settled(trial, redis)
    _refused(trial, redis)


def _refused(trial: Trial, redis: RealRedis) -> None:
    """Check that nothing was asked for that the user may not do."""
    refused = [
        f"{entry['reason']} {entry['object']}"
        for entry in redis.client.acl_log()
        if entry.get("username") == "jobs" and entry["object"] != "client|setinfo"
    ]
    trial.check(not refused, f"refused by the ACL: {', '.join(refused)}")


def _certify(folder: Path) -> None:
    """Make a CA, and a certificate of it for 127.0.0.1."""
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for line in (
        f"req -x509 {key} -keyout ca.key -out ca.crt -days 30 -subj /CN=chaos-ca",
        f"req {key} -keyout redis.key -out redis.csr -subj /CN=localhost",
        "x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out redis.crt -days 30 -extfile san",
    ):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
