"""client.py in threads, forks and event loops: one app for all of them, and no job lost or doubled."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from redisjobs import Push, RedisJobs, Steps
from tests.client.stored import arguments, jids, queued, scheduled
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parent.parent.parent

FORKING = """
import os, sys
from redisjobs import RedisJobs
from redisjobs.store.op import command

app = RedisJobs(sys.argv[1])

@app.client_middleware.add
def listening(push):
    heard = yield from command("ECHO", push.args[0])
    assert heard == push.args[0].encode(), "this is another's answer"
    yield

app.push("Work", ["before"])
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        for number in range(50):
            app.push("Work", [f"child-{child}-{number}"])
            app.push("Work", [f"later-{child}-{number}"], delay_s=60)
        os._exit(0)
    children.append(pid)
for number in range(50):
    app.push("Work", [f"parent-{number}"])
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
app.push("Work", ["after"])
app.close()
"""


# -- threads --------------------------------------------------------------------------------------------------------


def test_many_threads_push_through_one_app_from_its_very_first_push_on(
    redis: RealRedis, apps: Callable[..., RedisJobs]
) -> None:
    for turn in range(5):
        app = apps(redis.url)
        together = Barrier(16)

        def push(thread: int, app: RedisJobs = app, together: Barrier = together, turn: int = turn) -> list[str | None]:
            together.wait(10)
            return [app.push("Work", [f"{turn}-{thread}-{number}"]) for number in range(20)]

        with ThreadPoolExecutor(16) as pool:
            made = [jid for some in pool.map(push, range(16)) for jid in some]

        jobs = [job for job in queued(redis) if job["args"][0].startswith(f"{turn}-")]
        assert sorted(jids(jobs)) == sorted(filter(None, made))
        assert len(set(arguments(jobs))) == len(jobs) == 320


def test_the_pushes_of_one_thread_keep_their_order(redis: RealRedis, app: RedisJobs) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda thread: [app.push("Work", [thread, number]) for number in range(30)], range(8)):
            pass

    for thread in range(8):
        own = [job["args"][1] for job in queued(redis) if job["args"][0] == thread]
        assert own == list(range(30))


def test_middleware_of_many_threads_is_not_mixed_up(redis: RealRedis, app: RedisJobs) -> None:
    @app.client_middleware.add
    def marking(push: Push) -> Steps[None]:
        push.fields["mark"] = push.args[0]
        jid = yield
        assert jid == push.jid

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: app.push("Work", [number]), range(200)))

    assert {job["jid"]: job["args"][0] for job in queued(redis)} == dict(zip(made, range(200), strict=True))
    assert all(job["mark"] == job["args"][0] for job in queued(redis))


# -- forks ----------------------------------------------------------------------------------------------------------


def test_after_a_fork_parent_and_children_push_on_and_each_job_is_stored_once(redis: RealRedis) -> None:
    """A child must not write into its parent's connection, nor be taken for it by Redis' guard."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING, redis.url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    all_jids = jids([*queued(redis), *(job for job, _ in scheduled(redis))])
    assert len(set(all_jids)) == len(all_jids)
    found = arguments(queued(redis))
    assert (found[0], found[-1]) == ("before", "after")
    children = [f"child-{child}-{number}" for child in range(3) for number in range(50)]
    assert sorted(found[1:-1]) == sorted([*children, *(f"parent-{number}" for number in range(50))])
    assert sorted(job["args"][0] for job, _ in scheduled(redis)) == sorted(
        name.replace("child", "later") for name in children
    )


# -- event loops ----------------------------------------------------------------------------------------------------


def test_one_app_serves_one_event_loop_after_another(redis: RealRedis, app: RedisJobs) -> None:
    async def main(turn: int) -> str | None:
        jid = await app.apush("Work", [turn])
        await app.aclose()
        return jid

    made = [asyncio.run(main(turn)) for turn in range(3)]

    assert arguments(queued(redis)) == [0, 1, 2]
    assert jids(queued(redis)) == made


def test_one_app_serves_event_loops_of_several_threads_and_threads_without_one(
    redis: RealRedis, app: RedisJobs
) -> None:
    async def main(thread: int) -> None:
        await asyncio.gather(*(app.apush("Work", [f"loop-{thread}-{number}"]) for number in range(30)))
        await app.aclose()

    def push(thread: int) -> None:
        for number in range(30):
            app.push("Work", [f"plain-{thread}-{number}"])

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(asyncio.run, main(thread)) for thread in range(3)]
        running += [pool.submit(push, thread) for thread in range(3)]
        for one in running:
            one.result(30)

    wanted = [f"{kind}-{thread}-{number}" for kind in ("loop", "plain") for thread in range(3) for number in range(30)]
    assert sorted(arguments(queued(redis))) == sorted(wanted)


def test_many_coroutines_push_at_once_and_each_job_is_stored_once(redis: RealRedis, app: RedisJobs) -> None:
    work = app.job(name="Work")(lambda number: None)

    async def main() -> list[str | None]:
        made = await asyncio.gather(*(work.aenqueue(number) for number in range(500)))
        await app.aclose()
        return made

    made = asyncio.run(main())

    assert {job["jid"]: job["args"][0] for job in queued(redis)} == dict(zip(made, range(500), strict=True))


def test_a_push_does_not_hold_up_the_loop_while_redis_is_silent(
    server: Callable[..., RealRedis], apps: Callable[..., RedisJobs]
) -> None:
    own = server()
    app = apps(own.url)

    async def main() -> int:
        await app.apush("Work", ["warm"])
        own.sigstop()
        pushing = asyncio.create_task(app.apush("Work", ["a"]))
        turns = 0
        while turns < 100:
            await asyncio.sleep(0.001)
            turns += 1
        assert not pushing.done()
        own.sigcont()
        await pushing
        await app.aclose()
        return turns

    assert asyncio.run(main()) == 100
    assert arguments(queued(own)) == ["warm", "a"]
