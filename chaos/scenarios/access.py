"""Redis behind TLS and an ACL."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from chaos.scenarios.outages import load, settled, steady
from chaos.trial import SkippedError, Trial
from tests.support.fleet import ROOT
from tests.support.real_redis import RealRedis, free_port

_DOCUMENT = ROOT / "docs" / "redis.md"
_RULES = re.compile(r"<!-- acl: worker -->\n```\nACL SETUSER worker reset (.*?)```", re.DOTALL)


def tls(trial: Trial) -> None:
    """TLS with a CA of its own, a user with the documented rights only; Redis is killed and comes back."""
    folder = trial.folder
    _certify(folder)
    users = folder / "users.acl"
    users.write_text(f"user default on nopass ~* &* +@all\nuser worker reset {_rules('secret')}\n")
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
    trial.url = f"rediss://worker:secret@127.0.0.1:{port}/0?ssl_ca_certs={folder / 'ca.crt'}"
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


def _rules(password: str) -> str:
    """Return the rules of a worker's user, as they are documented."""
    found = _RULES.search(_DOCUMENT.read_text("utf-8")) if _DOCUMENT.exists() else None
    if found is None:
        raise SkippedError(f"{_DOCUMENT.name} does not say what a worker's user may do")
    return " ".join(found[1].split()).replace("PASSWORD", password)


def _refused(trial: Trial, redis: RealRedis) -> None:
    """Check that nothing was asked for that the user may not do."""
    refused = [
        f"{entry['reason']} {entry['object']}"
        for entry in redis.client.acl_log()
        if entry.get("username") == "worker" and entry["object"] != "client|setinfo"
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
