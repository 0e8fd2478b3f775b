"""`redisjobs adopt`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli
from tests.support.elixir import ExqNode, VerkNode
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def test_adopt_shows_what_nodes_hold_and_takes_it_over(cli: Cli, redis: RealRedis) -> None:
    exq = ExqNode(redis.client)
    for queue in ("default", "default", "mail"):
        exq.enqueue(queue=queue)
        exq.take(queue)

    assert cli("adopt", "exq").rows == [
        ["NODE", "QUEUE", "JOBS", "STATE"],
        ["web-1", "default", "2", "dead"],
        ["web-1", "mail", "1", "dead"],
    ]
    assert cli("adopt", "exq", "--json").json[1] == {"node": "web-1", "queue": "mail", "size": 1, "state": "dead"}

    assert cli("adopt", "exq", "web-1").out == "3 adopted: default 2, mail 1\n"

    assert cli("adopt", "exq").out == "nothing is held\n"
    assert cli("--wire", "exq", "queues").rows[1][:2] == ["default", "2"]
    assert cli("adopt", "exq", "web-1").status == 1


def test_a_living_node_is_left_alone_unless_it_is_forced(cli: Cli, redis: RealRedis) -> None:
    exq = ExqNode(redis.client, namespace="shop")
    exq.enqueue()
    exq.take()
    exq.ping()

    refused = cli("--namespace", "shop", "adopt", "exq", "web-1")

    assert (refused.status, refused.err) == (
        1,
        "Error: web-1 is alive: stop it and force this, or what it runs runs twice\n",
    )
    assert cli("--namespace", "shop", "adopt", "exq", "web-1", "--force", "--json").json == {
        "node": "web-1",
        "adopted": {"default": 1},
    }


def test_no_namespace_can_be_asked_for(cli: Cli, redis: RealRedis) -> None:
    exq = ExqNode(redis.client, namespace="")
    exq.enqueue()
    exq.take()

    assert cli("adopt", "exq").out == "nothing is held\n"
    assert cli("--namespace", "", "adopt", "exq", "web-1").status == 0


def test_verk_has_no_namespace(cli: Cli, redis: RealRedis) -> None:
    verk = VerkNode(redis.client, "77", generated=True)
    verk.enqueue()
    verk.take()

    assert cli("adopt", "verk").rows[1] == ["77", "default", "1", "dead"]
    assert cli("adopt", "verk", "77").out == "1 adopted: default 1\n"
