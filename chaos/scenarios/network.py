"""A network between workers, producers and Redis that resets, swallows, crawls, or loses answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from chaos.proxy import Proxy
from chaos.scenarios.outages import load, settled, steady
from chaos.trial import Trial
from redisjobs.store.scripts import script
from tests.support.real_redis import RealRedis

_HANG_S = 10.0
_FEW = 100  # jobs: what may be on its way at any moment


def _through(trial: Trial) -> tuple[RealRedis, Proxy]:
    redis = trial.server()
    proxy = Proxy(redis.port)
    trial.at_end(proxy.close)
    trial.url = proxy.url
    return redis, proxy


def _end(trial: Trial, redis: RealRedis, proxy: Proxy, trouble_s: float = 0.0) -> None:
    trial.notes.append(f"{proxy.faults} connections hit")
    trial.check(proxy.faults > 0, "no connection was hit")
    trial.check(trial.longest_push_s <= _HANG_S, f"a push took {trial.longest_push_s:.1f} s")
    settled(trial, redis)
    slowest_s = trial.slowest_s()
    trial.notes.append(f"the slowest job began {slowest_s:.1f} s after its push")
    trial.check(slowest_s <= trouble_s + _HANG_S, f"a job waited {slowest_s:.1f} s")


def resets(trial: Trial) -> None:
    """Reset (RST) all connections at once, again and again."""
    redis, proxy = _through(trial)
    with load(trial, patience_s=5):
        for _ in range(trial.pick(3, 20)):
            steady(trial)
            proxy.reset_all()
            trial.consuming_again(time.monotonic(), _HANG_S, each=True)
    _end(trial, redis, proxy)


def some_resets(trial: Trial) -> None:
    """Reset a connection at 1% of all that passes."""
    redis, proxy = _through(trial)
    with load(trial, patience_s=5):
        proxy.reset_chance = 0.01
        time.sleep(trial.pick(3, 60))
        proxy.reset_chance = 0.0
        trial.consuming_again(time.monotonic(), _HANG_S, each=True)
    _end(trial, redis, proxy)


def hole(trial: Trial) -> None:
    """Swallow all bytes of the workers without a FIN (a black hole) while jobs come; those connections stay dead."""
    redis, proxy = _through(trial)
    trouble_s = trial.pick(3.0, 20.0)
    with load(trial, url=redis.tcp_url):  # what comes meanwhile is taken by waits whose answer nobody hears
        for _ in range(trial.pick(1, 3)):
            steady(trial)
            trial.until(lambda: len(trial.missing()) < _FEW, 30, "the heap of the last hole is not worked off")
            proxy.open_hole()
            time.sleep(trouble_s)
            proxy.close_hole()
            trial.consuming_again(time.monotonic(), _HANG_S, each=True)
    _end(trial, redis, proxy, trouble_s)


def half_open(trial: Trial) -> None:
    """Close the connections at Redis' end only: the clients' stay open, and silent."""
    redis, proxy = _through(trial)
    with load(trial):
        for _ in range(trial.pick(1, 5)):
            steady(trial)
            proxy.cut_far()
            trial.consuming_again(time.monotonic(), _HANG_S, each=True)
    _end(trial, redis, proxy)


def crawl(trial: Trial) -> None:
    """Have each open connection bring back one byte a second, for ever; new ones are well."""
    redis, proxy = _through(trial)
    with load(trial, url=redis.tcp_url):  # its own answers are so short that it would go on, with a push every 3 s
        for _ in range(trial.pick(1, 5)):
            steady(trial)
            proxy.crawl()
            trial.consuming_again(time.monotonic(), _HANG_S, each=True)
    _end(trial, redis, proxy)


def lost_answers(what: str, *words: str) -> Callable[[Trial], None]:
    """Return the scenario for the answers to one kind of request."""

    def scenario(trial: Trial) -> None:
        redis, proxy = _through(trial)
        proxy.lose_words = tuple((word if word.isupper() else script(word).sha).encode() for word in words)
        with load(trial, patience_s=5):
            proxy.lose_chance = 0.1
            time.sleep(trial.pick(3, 60))
            proxy.lose_chance = 0.0
            trial.consuming_again(time.monotonic(), _HANG_S, each=True)
        _end(trial, redis, proxy)

    scenario.__doc__ = f"Swallow one in ten answers to {what}, after Redis has done it, and reset that connection."
    return scenario
