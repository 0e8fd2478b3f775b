"""store/place.py, store/opening.py: what a URL says, and the way to the server that takes writes of our keys."""

from __future__ import annotations

from typing import Any

import pytest

from redisjobs.config import RedisConfig
from redisjobs.errors import ConfigError, StoreError, StoreUnavailableError
from redisjobs.store.connect import shown
from redisjobs.store.drive import drive
from redisjobs.store.opening import Dial, MovedError, hash_tag, opening
from redisjobs.store.place import Place, read
from redisjobs.store.stores import BlockingStore

pytestmark = pytest.mark.quick


class Scripted:
    """Stands for connections: each step takes the next of the answers that it was made with, an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.dialled: list[tuple[str, int]] = []

    def run(self, step: Any) -> Any:
        if isinstance(step, Dial):
            self.dialled.append((step.arguments["host"], step.arguments["port"]))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def hello(role: bytes = b"master", mode: bytes = b"standalone") -> list[bytes]:
    return [b"server", b"redis", b"mode", mode, b"role", role]


def place(url: str, namespace: str = "") -> Place:
    return read(RedisConfig(url, namespace=namespace))


# -- what a URL says --------------------------------------------------------------------------------------------------


def test_several_hosts_are_tried_in_order() -> None:
    found = place("redis://user:pass@one:7000,two,[::1]:7002/3?socket_timeout=7")

    assert found.seeds == (
        {"host": "one", "port": 7000},
        {"host": "two", "port": 6379},
        {"host": "::1", "port": 7002},
    )
    wanted = {"username": "user", "password": "pass", "db": 3, "socket_timeout": 7.0}
    assert wanted.items() <= found.arguments.items()


def test_sentinels_get_their_own_login_and_share_the_rest() -> None:
    found = place(
        "rediss+sentinel://u:p%40@s1,s2:26380/jobs/2?sentinel_password=x%26y&ssl_ca_certs=/ca&sentinel_username=w"
    )

    assert found.service == "jobs"
    assert found.seeds == ({"host": "s1", "port": 26379}, {"host": "s2", "port": 26380})
    assert {"username": "u", "password": "p@", "db": 2, "ssl_ca_certs": "/ca"}.items() <= found.arguments.items()
    assert {"username": "w", "password": "x&y", "ssl_ca_certs": "/ca"}.items() <= found.sentinel.items()
    assert "db" not in found.sentinel


@pytest.mark.parametrize(
    "url", ["redis+sentinel://h:1", "redis+sentinel://h/", "unix+sentinel://x/y", "redis+sentinel://h:port/jobs"]
)
def test_sentinels_without_a_master_to_watch_are_no_url(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis\+sentinel://HOST:PORT,HOST:PORT/MASTER/DB"):
        BlockingStore(RedisConfig(url)).line()


def test_an_option_that_redis_py_does_not_know_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="colour"):
        BlockingStore(RedisConfig("redis://localhost?colour=red")).line()


def test_no_password_is_shown() -> None:
    url = "rediss+sentinel://u:hidden@a,b/jobs?sentinel_password=hidden&ssl_password=hidden&password=hidden"

    assert "hidden" not in shown(url)
    assert shown(url).startswith("rediss+sentinel://u:***@a,b/jobs?")


@pytest.mark.parametrize(
    ("namespace", "tag"),
    [
        ("{jobs}", "jobs"),
        ("a{b}c", "b"),
        ("{a}{b}", "a"),
        ("{}{a}", ""),
        ("{a", ""),
        ("a}", ""),
        ("", ""),
        ("{{a}", "{a"),
    ],
)
def test_what_a_cluster_takes_for_the_whole_key(namespace: str, tag: str) -> None:
    assert hash_tag(namespace) == tag


# -- the way ----------------------------------------------------------------------------------------------------------


def test_the_next_host_is_asked_if_one_does_not_answer_and_first_from_then_on() -> None:
    world = Scripted(StoreUnavailableError("down"), None, hello())

    found = drive(opening(place("redis://a:1,b:2")), world)

    assert world.dialled == [("a", 1), ("b", 2)]
    assert [seed["host"] for seed in found.seeds] == ["b", "a"]


def test_if_nobody_answers_each_is_named() -> None:
    world = Scripted(StoreUnavailableError("a is down"), StoreUnavailableError("b is down"))

    with pytest.raises(StoreUnavailableError, match="a is down; b is down"):
        drive(opening(place("redis://a:1,b:2")), world)


def test_a_server_that_may_not_be_asked_what_it_is_counts_as_a_single_one() -> None:
    drive(opening(place("redis://a")), Scripted(None, StoreError("NOPERM")))


def test_a_sentinel_that_is_behind_and_names_a_replica_is_not_believed() -> None:
    world = Scripted(None, [b"old", b"1"], None, hello(role=b"replica"), None, [b"new", b"2"], None, hello())

    drive(opening(place("redis+sentinel://s1,s2/jobs")), world)

    assert world.dialled == [("s1", 26379), ("old", 1), ("s2", 26379), ("new", 2)]


def test_sentinels_that_do_not_know_the_master_are_named() -> None:
    with pytest.raises(StoreUnavailableError, match="the sentinel s1:26379 knows no master 'jobs'"):
        drive(opening(place("redis+sentinel://s1/jobs")), Scripted(None, None))


def test_in_a_cluster_the_node_that_has_our_keys_is_found() -> None:
    world = Scripted(None, hello(mode=b"cluster"), MovedError("7 b:2"), None, MovedError("7 :3"), None, 0)

    drive(opening(place("redis://a:1", "{jobs}")), world)

    assert world.dialled == [("a", 1), ("b", 2), ("b", 3)]


def test_nodes_that_send_us_in_a_circle_are_not_followed_for_ever() -> None:
    world = Scripted(None, hello(mode=b"cluster"), *[MovedError("7 b:2"), None] * 20)

    with pytest.raises(StoreUnavailableError, match="do not agree"):
        drive(opening(place("redis://a:1", "{jobs}")), world)


def test_a_cluster_is_refused_if_it_would_spread_our_keys() -> None:
    with pytest.raises(ConfigError, match=r'write RedisJobs\(\.\.\., namespace="\{jobs\}"\)'):
        drive(opening(place("redis://a:1", "jobs")), Scripted(None, hello(mode=b"cluster")))
