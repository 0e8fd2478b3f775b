"""Workers that die, are told to stop, or are silent for so long that they count as dead."""

from __future__ import annotations

import itertools
import random
import time
from functools import partial

from chaos.trial import RECOVERED, Trial
from tests.support.fleet import WorkerProcess

FAST = {"heartbeat_ttl_s": 4, "reap_s": 1}
"""Settings of the quick size, so that the dead are found soon; the full size has the defaults."""

_WORKERS = 4
_RERUN_S = 30.0


def storm(trial: Trial) -> None:
    """Kill one of four workers every 0.5 to 2 s until nearly all jobs have begun."""
    redis = trial.server()
    chance = random.Random(4)
    jobs, lasts_s = trial.pick((2_000, 8.0), (trial.system.jobs, 60.0))
    settings = trial.pick(FAST, {})
    living = [trial.worker(**settings) for _ in range(_WORKERS)]
    mean_s = lasts_s * _WORKERS * trial.system.slots / jobs
    trial.push([chance.uniform(0.5, 1.5) * mean_s for _ in range(jobs)])
    held: list[int | None] = []
    while len(trial.log.read().started) < jobs - jobs // 20 and len(held) < lasts_s * 4:
        time.sleep(chance.uniform(0.5, 2.0))
        ready = [worker for worker in living if trial.system.ready(worker)]
        if not ready:  # let the slow to start take jobs, too
            continue
        victim = chance.choice(ready)
        victim.kill9()
        held.append(trial.system.held(redis, victim))
        living.remove(victim)
        living.append(trial.worker(ready=False, **settings))
    last_at = time.monotonic()
    trial.finish(60 + trial.system.patience_s)
    trial.bound = None if None in held else sum(count or 0 for count in held)
    trial.notes.append(f"{len(held)} kills; the last job ended {time.monotonic() - last_at:.0f} s after the last kill")
    trial.stop_workers()


def one_kill(trial: Trial) -> None:
    """Kill the one worker whose slots are all busy; another one is idle. How soon do its jobs run there?"""
    trial.server()
    settings = trial.pick(FAST, {})
    victim = trial.worker(**settings)
    numbers = trial.push([15.0 if trial.full or not trial.ours else 4.0] * trial.system.slots)
    trial.until(lambda: len(trial.log.read().started) == len(numbers), 60, "not all slots are busy")
    trial.worker(**settings)
    victim.kill9()
    died_at = time.monotonic()
    trial.bound = len(numbers)
    trial.finish(60 + trial.system.patience_s)
    again = [trial.log.first_after(died_at, number=number) for number in numbers]
    trial.again_s += [moment - died_at for moment in again if moment is not None]
    trial.notes.append(f"{sum(moment is not None for moment in again)} of {len(numbers)} ran again")
    trial.check(max(trial.again_s, default=0.0) <= _RERUN_S, f"run again after more than {_RERUN_S:g} s")
    trial.stop_workers()


def rolling_term(trial: Trial) -> None:
    """TERM one of three workers every 10 s and start another, under short, long, async and process jobs."""
    trial.server()
    rounds, every_s, long_s = trial.pick((3, 2.0, 1.5), (9, 10.0, 8.0))
    living = [trial.worker() for _ in range(3)]
    leaving: list[WorkerProcess] = []
    for _ in range(rounds):
        slots = trial.system.slots
        trial.push([long_s] * (slots // 3) + [0.01] * int(10 * slots * every_s))
        if trial.ours:
            trial.push([0.3] * 20, "awork")
            trial.push([0.2] * 5, "pwork")
        time.sleep(every_s)
        leaving.append(living.pop(0))
        leaving[-1].term()
        living.append(trial.worker())
    trial.finish(60 + trial.system.patience_s)
    codes = [worker.wait(60) for worker in leaving]
    trial.notes.append(f"{rounds} TERMs, long jobs of {long_s:g} s")
    trial.check(not trial.ours or set(codes) == {0}, f"workers ended with {codes}")
    if trial.ours:
        trial.check_logs(RECOVERED)
    trial.stop_workers()


def gil(trial: Trial) -> None:
    """Hold the GIL in C for 20 s, and loop in Python for 60 s: those processes are not taken for dead."""
    trial.server()
    workers = [trial.worker() for _ in range(3)]
    trial.push([trial.pick(10.0, 20.0)], "hold_gil")
    trial.push([trial.pick(10.0, 60.0)], "spin")
    trial.until(lambda: len(trial.log.read().started) == 2, 30, "the jobs have not begun")
    trial.finish(100)
    trial.check_logs("recovered", "not ours any more")
    trial.notes.append(f"{len(workers)} workers")
    trial.stop_workers()


def zombie(trial: Trial) -> None:
    """Stop a worker until another one has recovered its jobs, then let it go on, three times."""
    redis = trial.server()
    settings = trial.pick(FAST, {})
    workers = itertools.cycle([trial.worker(**settings) for _ in range(3)])
    bound = 0
    for _ in range(trial.pick(1, 3)):
        trial.push([0.05] * trial.pick(600, 6_000))
        undead = next(workers)
        time.sleep(0.5)
        enough = _recovered(trial) + 1
        undead.sigstop()
        bound += trial.system.held(redis, undead) or 0
        trial.until(partial(_has_recovered, trial, enough), 120, "nobody recovered its jobs")
        trial.finish(60)
        undead.sigcont()
        trial.consuming_again(_pushed_at(trial), 10, each=True)
    trial.bound = bound
    trial.finish(60)
    trial.until(lambda: redis.client.keys(trial.key("lease:*")) == [], 30, "leases are left")
    settled = int(redis.client.get(trial.key("stat:processed")))
    trial.check(settled == len(trial.confirmed), f"{settled} settled of {len(trial.confirmed)}")
    trial.stop_workers()


def poison(trial: Trial) -> None:
    """A job that kills its worker, among others; dead workers are replaced at once."""
    redis = trial.server()
    settings = trial.pick(FAST, {})
    living = [trial.worker(**settings) for _ in range(2)]
    trial.excused.update(trial.push([0.0], "die"))
    trial.push([0.2] * trial.pick(100, 2_000))
    deadline = time.monotonic() + trial.pick(60, 300)
    bound = 0
    while not redis.client.zcard(trial.key("dead")) and time.monotonic() < deadline:
        for dead in [worker for worker in living if not worker.running]:
            bound += trial.system.held(redis, dead) or 0
            living.remove(dead)
            living.append(trial.worker(**settings))
        time.sleep(0.1)
    trial.finish(120)
    trial.bound = bound
    trial.notes.append(f"buried after {len(trial.workers) - 2} workers had died of it")
    entries = [entry.error_class for entry in trial.app().dead]
    trial.check(entries == ["redisjobs.PoisonPill"], f"the dead set holds {entries}")
    trial.stop_workers()


def _recovered(trial: Trial) -> int:
    return sum(len(worker.lines(RECOVERED)) for worker in trial.workers)


def _has_recovered(trial: Trial, count: int) -> bool:
    return _recovered(trial) >= count


def _pushed_at(trial: Trial) -> float:
    moment = time.monotonic()
    trial.push([0.1] * trial.system.slots * len(trial.workers) * 2)
    return moment
