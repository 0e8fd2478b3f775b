"""The doctor on Resque's queues: Ruby's workers have a registry of their own there, and queues may be patterns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from redisjobs import RedisJobs
from tests.inspector.doctored import SOUND, doctor, found, the
from tests.support.real_redis import RealRedis
from tests.support.resque import RubyResque

pytestmark = pytest.mark.quick


def test_a_queue_that_a_ruby_worker_takes_from_is_heard(server: Callable[..., RealRedis]) -> None:
    redis = server(**SOUND)
    ruby = RubyResque(redis)
    ruby.start_worker("mail_*")
    ruby.enqueue("mail_slow", "Archive", 1)
    ruby.enqueue("files", "Archive", 1)

    report = doctor(redis, dialect="resque")

    assert found(report, "workers") == []
    assert "the queue files" in the(report, "unheard").what


def test_a_queue_that_a_pattern_of_ours_means_is_heard(server: Callable[..., RealRedis]) -> None:
    redis = server(**SOUND)
    app = RedisJobs(redis.url, dialect="resque")
    app.job(name="Archive", queue="mail_slow")(lambda number: None)
    app.push("Archive", [1], queue="files")
    with app.worker(queues=["mail_*"], concurrency=1) as worker:
        assert worker.drain()
        app.resque.pause()
        app.push("Archive", [1], queue="mail_slow")

        report = app.doctor()
    app.close()

    assert "the queue files" in the(report, "unheard").what


def test_a_queue_that_ruby_and_python_both_take_from_is_told(server: Callable[..., RealRedis]) -> None:
    redis = server(**SOUND)
    RubyResque(redis).start_worker("*")
    app = RedisJobs(redis.url, dialect="resque")
    app.push("Archive", [1], queue="files")
    app.resque.pause()
    with app.worker(queues=["files"], concurrency=1):
        report = app.doctor()
    app.close()

    assert "Python and Ruby listen to the queue files" in the(report, "languages").what
