"""Jobs in child processes: they end as elsewhere, and what kills a child costs just the job that it ran."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redisjobs import RedisJobs
from redisjobs.errors import ConfigError, OptionError
from redisjobs.wire import backtrace
from redisjobs.worker.worker import Worker
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker import process_jobs as jobs
from tests.worker.runs import members, only

LONG_S = 60  # children import an app on a machine that others use too


@pytest.fixture(autouse=True)
def _same_redis(redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the app of these jobs, here and in the children, use the session's server."""
    monkeypatch.setenv("REDISJOBS_URL", redis.url)
    yield
    jobs.app.close()


@pytest.fixture
def a_worker() -> Iterator[Callable[..., Worker]]:
    """A function that starts a worker of these jobs, stopped with the test."""
    made: list[Worker] = []

    def start(concurrency: int = 2, **settings: Any) -> Worker:
        made.append(jobs.app.worker(concurrency=concurrency, **settings))
        made[-1].start()
        return made[-1]

    yield start
    for worker in made:
        worker.stop(0)


def work_off(concurrency: int = 1, **settings: Any) -> None:
    """Run what stands in the queue, in a worker that lives just so long."""
    with jobs.app.worker(concurrency=concurrency, timeout_s=5, **settings) as worker:
        assert worker.drain(LONG_S)


def pids(redis: RealRedis, key: str) -> list[int]:
    """Return the process ids that jobs pushed to a list."""
    return [int(text) for text in redis.value(key) or []]


def wait_for(redis: RealRedis, key: str, count: int = 1) -> list[str]:
    """Wait until a list has so many elements; return them."""
    return eventually(lambda: (found := redis.value(key) or []) and len(found) >= count and found, LONG_S, key)


def lives(pid: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return False


# -- as elsewhere ---------------------------------------------------------------------------------------------------


def test_a_job_runs_in_a_child_with_its_context_state_and_middleware(redis: RealRedis) -> None:
    jid = jobs.tell_all.enqueue(7)

    work_off()

    [told] = redis.value("told")
    number, pid, parent, told_jid, state, in_main, module = told.split()
    assert (number, int(parent), told_jid, in_main) == ("7", os.getpid(), jid, "True")
    assert module == "tests.worker.process_jobs"
    assert int(pid) != os.getpid()
    assert state == pid, "startup functions ran in the child"
    assert redis.value("before") == redis.value("after") == [f"{pid} {jid}"]
    assert redis.value("stat:processed") == "1"
    assert redis.client.exists("retry", "dead", "stat:failed") == 0


def test_children_are_kept_and_each_opens_and_closes_once(redis: RealRedis) -> None:
    for number in range(20):
        jobs.tell_all.enqueue(number)

    work_off(concurrency=2)

    ran_in = {int(line.split()[1]) for line in redis.value("told")}
    assert len(redis.value("told")) == 20
    assert len(ran_in) <= 2
    assert sorted(pids(redis, "started")) == sorted({os.getpid(), *ran_in})
    assert sorted(pids(redis, "closed")) == sorted(pids(redis, "started"))
    assert not any(lives(pid) for pid in ran_in)


def test_no_child_is_started_without_work(redis: RealRedis) -> None:
    jobs.plain.enqueue()

    work_off()

    assert pids(redis, "started") == pids(redis, "plain") == [os.getpid()]


def test_what_it_asked_for_on_settle_is_in_the_transaction(redis: RealRedis) -> None:
    jobs.settle.enqueue(2**70)

    work_off()

    assert redis.client.lrange("settled", 0, -1) == [str(2**70).encode(), b"2.5", b"\xff"]
    assert redis.client.lrange(b"odd-\xff", 0, -1) == [b"x"]
    assert redis.value("stat:processed") == "1"


def test_what_cannot_be_sent_on_settle_does_not_keep_the_job_from_being_settled(redis: RealRedis) -> None:
    jobs.settle_oddly.enqueue()

    work_off()

    assert redis.value("stat:processed") == "1"
    assert redis.client.exists("retry", "dead", "k") == 0


def test_an_error_comes_back_with_its_backtrace(redis: RealRedis) -> None:
    jid = jobs.end.options(backtrace=True).enqueue("fail")

    work_off()

    payload, _ = only(redis, "retry")
    lines = backtrace.unpack(payload["error_backtrace"])
    assert (payload["jid"], payload["retry_count"]) == (jid, 0)
    assert (payload["error_class"], payload["error_message"]) == ("ValueError", "no way fail")
    assert lines[0].startswith(jobs.__file__)
    assert lines[0].endswith("in `end'")
    [child] = [line.split()[0] for line in redis.value("before")]
    assert redis.value("errors") == [f"{child} ValueError job failed"], "handlers run where the job did"


def test_every_outcome_is_what_it_is_elsewhere(redis: RealRedis) -> None:
    asked = {how: jobs.end.enqueue(how) for how in ("retry", "snooze", "discard", "kill")}
    now = redis.now()

    work_off()

    retried, again_at = only(redis, "retry")
    snoozed, awake_at = only(redis, "schedule")
    killed, _ = only(redis, "dead")
    assert (retried["jid"], snoozed["jid"], killed["jid"]) == (asked["retry"], asked["snooze"], asked["kill"])
    assert again_at - now == pytest.approx(50, abs=LONG_S - 1)
    assert awake_at > again_at
    assert "retry_count" not in snoozed
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("3", "2")
    [death] = redis.value("deaths")
    assert death.split()[1:] == ["Kill", asked["kill"]]


def test_a_released_job_runs_again(redis: RealRedis, tmp_path: Path) -> None:
    jid = jobs.release_once.enqueue(str(tmp_path / "flag"))

    work_off()

    assert [line.split()[1] for line in redis.value("before")] == [jid, jid]
    assert redis.value("stat:processed") == "1"


# -- which jobs -----------------------------------------------------------------------------------------------------


def test_a_worker_can_be_told_to_run_all_plain_functions_in_children(redis: RealRedis) -> None:
    for job in (jobs.plain, jobs.threaded, jobs.asynchronous):
        job.enqueue()

    work_off(executor="process")

    assert pids(redis, "threaded") == pids(redis, "async") == [os.getpid()]
    assert pids(redis, "plain") != [os.getpid()]


def test_an_async_job_is_not_for_a_child() -> None:
    app = RedisJobs("redis://127.0.0.1:1", defaults={"executor": "process"})

    async def job() -> None: ...

    with pytest.raises(OptionError, match="executor is for plain functions"):
        app.job(executor="process")(job)
    app.job(job)  # a default for those that it fits


def test_single_jobs_cannot_choose_their_executor() -> None:
    with pytest.raises(OptionError, match="give it where the job is declared"):
        jobs.plain.options(executor="process")


def test_an_app_that_no_child_can_import_is_refused_at_the_start(app: RedisJobs) -> None:
    app.job(name="Far", executor="process")(lambda: None)

    with pytest.raises(ConfigError, match="at the top of a module"):
        app.worker().start()


SCRIPT = """
import os, sys
from redisjobs import RedisJobs

app = RedisJobs()

@app.job(executor="process")
def tell():
    app.store.run(__import__("redisjobs.store.op", fromlist=["command"]).command("RPUSH", "told", tell.name))

def main():
    if len(sys.argv) == 1:  # else it would be one more with each child
        tell.enqueue()
    with app.worker(concurrency=1) as worker:
        assert worker.drain(60)

{guard}main()
"""


def run_script(folder: Path, guard: str) -> subprocess.CompletedProcess[str]:
    file = folder / "my_script.py"
    file.write_text(SCRIPT.format(guard=guard))
    return subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=LONG_S, check=False)


def test_a_script_is_imported_by_its_children(redis: RealRedis, tmp_path: Path) -> None:
    done = run_script(tmp_path, 'if __name__ == "__main__":\n    ')

    assert done.returncode == 0, done.stderr
    assert redis.value("told") == ["my_script.tell"]


def test_a_script_without_a_guard_starts_no_workers_in_children(redis: RealRedis, tmp_path: Path) -> None:
    done = run_script(tmp_path, "")

    assert done.returncode == 0, done.stderr
    payload, _ = only(redis, "retry")
    assert payload["error_class"] == "redisjobs.errors.ChildStartError"
    assert "crashes" not in payload, "the job did not run"
    assert 'if __name__ == "__main__"' in payload["error_message"]
    assert redis.value("told") is None


# -- children that die ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("segfault", "killed by SIGSEGV"),
        ("exit", "exit code 3"),
        ("kill", "killed by SIGKILL; was memory running out?"),
        ("fork", "exit code 4"),
    ],
)
def test_a_child_that_dies_fails_its_job_and_no_other(redis: RealRedis, tmp_path: Path, how: str, told: str) -> None:
    gate = tmp_path / "gate"
    with jobs.app.worker(concurrency=2, timeout_s=5) as worker:
        jobs.gated.enqueue(1, str(gate))
        wait_for(redis, "gated")
        jid = jobs.crash.enqueue(how)
        eventually(lambda: redis.value("retry"), LONG_S)
        gate.touch()
        jobs.tell_all.enqueue(2)
        assert worker.drain(LONG_S)

    payload, _ = only(redis, "retry")
    assert (payload["jid"], payload["retry_count"]) == (jid, 0)
    assert payload["error_class"] == "redisjobs.errors.ChildDiedError"
    assert payload["error_message"] == f"the child process that ran this job ended: {told}"
    assert redis.value("errors") == [f"{os.getpid()} ChildDiedError job failed"]
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("3", "1")
    [neighbour] = redis.value("gated")
    assert neighbour.split()[1] not in redis.value("crashes")


def test_a_job_whose_children_die_again_and_again_is_poison(redis: RealRedis) -> None:
    """Its payload is another one after each retry, so it carries the count itself."""
    jid = jobs.crash.enqueue("exit")
    with jobs.app.worker(concurrency=1, timeout_s=5):
        for _ in range(2):
            eventually(lambda: redis.value("retry"), LONG_S)
            assert jobs.app.retries.enqueue(jid)
        eventually(lambda: redis.value("dead"), LONG_S)

    payload, _ = only(redis, "dead")
    assert len(pids(redis, "crashes")) == 3
    assert payload["error_class"] == "redisjobs.PoisonPill"
    assert payload["error_message"].startswith("poison pill: 3 processes died while they ran this job")
    assert payload["error_message"].endswith("exit code 3")
    assert payload["crashes"] == []
    assert redis.value("retry") is None
    assert redis.value("deaths") == [f"{os.getpid()} ChildDiedError {jid}"]


def test_a_dead_parent_leaves_no_children(redis: RealRedis, tmp_path: Path) -> None:
    """Not even one that is deep in C."""
    code = (
        "from tests.worker import process_jobs as jobs\n"
        "jobs.sleep.enqueue(600); jobs.tell_all.enqueue(1)\n"
        "with jobs.app.worker(concurrency=2): __import__('threading').Event().wait(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL)
    try:
        wait_for(redis, "sleeping")
        wait_for(redis, "after")
        children = [pid for pid in pids(redis, "started") if pid != parent.pid]
        assert len(children) == 2
        assert all(lives(pid) for pid in children)
    finally:
        parent.kill()
        parent.wait()

    eventually(lambda: not any(lives(pid) for pid in children), LONG_S)


def test_children_leave_signals_of_the_group_to_their_parent(redis: RealRedis, a_worker: Any, tmp_path: Path) -> None:
    a_worker()
    jobs.gated.enqueue(1, str(tmp_path / "gate"))
    [told] = wait_for(redis, "gated")
    child = int(told.split()[1])

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP):
        os.kill(child, number)
    (tmp_path / "gate").touch()

    eventually(lambda: redis.value("stat:processed") == "1", LONG_S)
    jobs.tell_all.enqueue(2)
    assert wait_for(redis, "told")[0].split()[1] == str(child)


# -- limits ---------------------------------------------------------------------------------------------------------


def test_a_hard_timeout_kills_even_what_sleeps_in_c(redis: RealRedis, a_worker: Any, tmp_path: Path) -> None:
    a_worker()
    jobs.gated.enqueue(1, str(tmp_path / "gate"))
    wait_for(redis, "gated")

    jid = jobs.sleep.options(timeout=1.5).enqueue(600)
    [sleeper] = [int(pid) for pid in wait_for(redis, "sleeping")]
    eventually(lambda: redis.value("retry"), LONG_S)

    assert not lives(sleeper)
    payload, _ = only(redis, "retry")
    assert (payload["jid"], payload["timeout"], payload["retry_count"]) == (jid, 1.5, 0)
    assert payload["error_class"] == "redisjobs.errors.JobTimeout"
    assert payload["error_message"] == "the job ran longer than its timeout of 1.5 s"
    assert "crashes" not in payload, "it is no crash"
    (tmp_path / "gate").touch()
    jobs.tell_all.enqueue(2)
    wait_for(redis, "told")
    eventually(lambda: redis.value("stat:processed") == "3", LONG_S)
    assert redis.value("stat:failed") == "1"


def test_a_hard_timeout_takes_along_what_the_job_started(redis: RealRedis) -> None:
    jobs.start_something.options(timeout=1.5).enqueue()

    work_off()

    [program] = pids(redis, "program")
    eventually(lambda: not lives(program), LONG_S)
    assert only(redis, "retry")[0]["error_class"] == "redisjobs.errors.JobTimeout"


def test_children_are_replaced_after_so_many_jobs(redis: RealRedis) -> None:
    for number in range(7):
        jobs.tell_all.enqueue(number)

    work_off(child_max_jobs=3)

    ran_in = [int(line.split()[1]) for line in redis.value("told")]
    assert [ran_in.count(pid) for pid in dict.fromkeys(ran_in)] == [3, 3, 1]
    assert sorted(pids(redis, "closed")) == sorted({os.getpid(), *ran_in})
    assert not any(lives(pid) for pid in ran_in)


def test_a_child_that_grew_too_large_is_replaced(redis: RealRedis) -> None:
    for mib in (1, 200, 1):
        jobs.grow.enqueue(mib)

    work_off(child_max_rss="150M")

    first, second, third = pids(redis, "grown")
    assert first == second != third


# -- as part of a worker --------------------------------------------------------------------------------------------


def test_what_runs_is_told_with_a_name_of_its_own(redis: RealRedis, a_worker: Any, tmp_path: Path) -> None:
    worker = a_worker(heartbeat_ttl_s=2)
    jid = jobs.gated.enqueue(1, str(tmp_path / "gate"))
    wait_for(redis, "gated")

    [running] = worker.running()
    assert (running.tid, running.work.payload.jid) == ("p0", jid)
    [shown] = eventually(lambda: list(jobs.app.running), LONG_S)
    assert (shown.thread, shown.entry.jid) == ("p0", jid)
    (tmp_path / "gate").touch()
    eventually(lambda: worker.running() == [], LONG_S)


def test_stop_waits_for_running_jobs_and_gives_back_the_rest(redis: RealRedis, a_worker: Any, tmp_path: Path) -> None:
    worker = a_worker(concurrency=1)
    jobs.gated.enqueue(1, str(tmp_path / "gate"))
    wait_for(redis, "gated")
    jobs.tell_all.enqueue(2)

    worker.quiet()
    stopping = threading.Thread(target=worker.stop, args=(LONG_S,))
    stopping.start()
    eventually(lambda: len(members(redis, "queue:default")) == 1, LONG_S)
    (tmp_path / "gate").touch()
    stopping.join(LONG_S)

    assert redis.value("stat:processed") == "1"
    assert redis.client.keys("lease:*") == []


def test_a_job_that_outlives_the_stop_is_given_back_and_its_child_killed(redis: RealRedis, a_worker: Any) -> None:
    worker = a_worker(concurrency=1)
    jobs.sleep.enqueue(600)
    [sleeper] = [int(pid) for pid in wait_for(redis, "sleeping")]
    [raw] = redis.client.lrange(redis.client.keys("lease:*")[0], 0, -1)

    worker.stop(0.1)

    assert not lives(sleeper)
    assert redis.client.lrange("queue:default", 0, -1) == [raw]
    assert redis.client.keys("lease:*") == []
    assert redis.client.exists("retry", "dead", "stat:processed", "errors") == 0


def test_all_executors_share_one_limit(redis: RealRedis, a_worker: Any, tmp_path: Path) -> None:
    worker = a_worker(concurrency=2)
    jobs.gated.enqueue(1, str(tmp_path / "gate"))
    jobs.gated.enqueue(2, str(tmp_path / "gate"))
    wait_for(redis, "gated", 2)
    jobs.threaded.enqueue()
    jobs.asynchronous.enqueue()

    assert len(worker.running()) == 2
    assert redis.client.exists("threaded", "async") == 0
    (tmp_path / "gate").touch()
    wait_for(redis, "threaded")
    wait_for(redis, "async")


def test_work_for_the_cpu_uses_more_than_one_core(redis: RealRedis, a_worker: Any) -> None:
    """Two children burn their CPU time at the same time, on two cores."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one core")
    a_worker(concurrency=2)
    for job in (jobs.spin, jobs.spin):
        job.enqueue(3.0)

    first, second = [int(pid) for pid in wait_for(redis, "spinning", 2)]
    eventually(lambda: on_core(first) != on_core(second) and burning(first, second), LONG_S)
    wait_for(redis, "spun", 2)


def on_core(pid: int) -> int:
    """Return the core that a process ran on last."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[36])


def burning(*pids_: int) -> bool:
    """Tell whether processes are running at this instant."""
    return all(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R" for pid in pids_)
