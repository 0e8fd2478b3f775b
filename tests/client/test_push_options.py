"""jobs/options.py on its way to Redis: options of jobs, calls and apps; pushes by name; namespaces."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redisjobs import OptionError, PayloadError, RedisJobs
from tests.client.stored import GUARDS, arguments, queued, scheduled
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

Call = Callable[..., Any]

FAR = 4_000_000_000.25
PLAIN = {"retry": True, "queue": "default"}


def options_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return what a payload says besides what every one has."""
    return {name: job[name] for name in job if name not in ("args", "class", "jid", "created_at", "enqueued_at")}


# -- each option on the wire ----------------------------------------------------------------------------------------

ON_THE_WIRE = [
    ({}, {}),
    ({"queue": "low"}, {"queue": "low"}),
    ({"retry": False}, {"retry": False}),
    ({"retry": 0}, {"retry": 0}),
    ({"retry": 7}, {"retry": 7}),
    ({"retry_queue": "slow"}, {"retry_queue": "slow"}),
    ({"retry_for": 3600}, {"retry_for": 3600}),
    ({"retry_for": 90.7}, {"retry_for": 90}),
    ({"retry_for": 0.5}, {"retry_for": 1}),
    ({"dead": True}, {}),
    ({"dead": False}, {"dead": False}),
    ({"backtrace": True}, {"backtrace": True}),
    ({"backtrace": 20}, {"backtrace": 20}),
    ({"tags": ["a", "b"]}, {"tags": ["a", "b"]}),
    ({"tags": ("a",)}, {"tags": ["a"]}),
    ({"log_level": "debug"}, {"log_level": "debug"}),
]


@pytest.mark.parametrize(("given", "written"), ON_THE_WIRE, ids=",".join)
def test_an_option_is_written_alike_from_a_declaration_a_call_and_a_push_by_name(
    redis: RealRedis, app: RedisJobs, call: Call, given: dict[str, Any], written: dict[str, Any]
) -> None:
    declared = app.job(name="Declared", **given)(lambda: None)
    plain = app.job(name="Plain")(lambda: None)
    wanted = {**PLAIN, **written}

    call(declared.enqueue)
    call(plain.options(**given).enqueue)
    call(plain.options(**given).enqueue_many, [()])
    call(app.push, "Elsewhere", **given)
    call(app.push_many, "Elsewhere", [()], **given)
    call(app.push, "Elsewhere", at=FAR, **given)

    now = queued(redis, wanted["queue"])
    assert [job["class"] for job in now] == ["Declared", "Plain", "Plain", "Elsewhere", "Elsewhere"]
    assert [options_of(job) for job in [*now, scheduled(redis)[0][0]]] == [wanted] * 6
    assert all(type(job["retry"]) is type(wanted["retry"]) for job in now)
    assert redis.value("queues") == {wanted["queue"]}


def test_all_options_together_come_before_the_job_retry_and_queue_first(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    given: dict[str, Any] = {
        "log_level": "warn", "tags": ["x"], "backtrace": 3, "dead": False, "retry_for": 60, "retry_queue": "slow",
        "queue": "low", "retry": 2,
    }  # fmt: skip

    call(app.push, "Work", [1], **given)

    assert list(queued(redis, "low")[0]) == [
        "retry", "queue", "retry_queue", "retry_for", "dead", "backtrace", "tags", "log_level",
        "args", "class", "jid", "created_at", "enqueued_at",
    ]  # fmt: skip


# -- who decides ----------------------------------------------------------------------------------------------------


def test_options_of_a_call_leave_the_job_as_it_is(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    work = app.job(name="Work", retry=3, tags=["a"])(lambda: None)

    changed = work.options(queue="low", tags=["b"])
    again = changed.options(retry=False)
    for one in (work, changed, again, work):
        call(one.enqueue)

    assert [options_of(job) for job in queued(redis)] == [{"retry": 3, "queue": "default", "tags": ["a"]}] * 2
    assert [options_of(job) for job in queued(redis, "low")] == [
        {"retry": 3, "queue": "low", "tags": ["b"]},
        {"retry": False, "queue": "low", "tags": ["b"]},
    ]
    assert app.registry.find("Work") is work


def test_a_list_of_tags_that_is_changed_later_changes_no_job(redis: RealRedis, app: RedisJobs) -> None:
    tags = ["a"]
    work = app.job(name="Work", tags=tags)(lambda: None)
    tags.append("b")

    work.enqueue()

    assert queued(redis)[0]["tags"] == ["a"]


def test_a_call_is_stronger_than_the_job_and_the_job_than_the_defaults_of_the_app(
    redis: RealRedis, apps: Callable[..., RedisJobs], call: Call
) -> None:
    app = apps(redis.url, defaults={"queue": "low", "retry": 3, "tags": ["all"]})
    work = app.job(name="Work", retry=5)(lambda: None)

    call(work.enqueue)
    call(work.options(retry=False, tags=[]).enqueue)
    call(app.push, "Elsewhere")
    call(app.push, "Elsewhere", retry=9)

    assert [options_of(job) for job in queued(redis, "low")] == [
        {"retry": 5, "queue": "low", "tags": ["all"]},
        {"retry": False, "queue": "low"},
        {"retry": 3, "queue": "low", "tags": ["all"]},
        {"retry": 9, "queue": "low", "tags": ["all"]},
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"quue": "low"}, "'quue'; did you mean 'queue'"),
        ({"retrry": 3}, "'retrry'; did you mean 'retry'"),
        ({"tag": ["x"]}, "'tag'; did you mean 'tags'"),
        ({"wholly_other": 1}, "There are: queue, retry, "),
        ({"queue": ""}, "queue='': must be the name of a queue"),
        ({"retry": -1}, "retry=-1: must be"),
        ({"retry": "yes"}, "retry='yes': must be"),
        ({"retry_for": 2_000_000_000}, "at most 1,000,000,000"),
        ({"tags": "one"}, "tags='one': must be a list of strings"),
        ({"dead": None}, "dead=None: must be True or False"),
    ],
)
def test_a_wrong_option_is_named_with_the_remedy_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, call: Call, given: dict[str, Any], says: str
) -> None:
    work = app.job(name="Work")(lambda: None)

    with pytest.raises(OptionError, match=says):
        work.options(**given)
    with pytest.raises(OptionError, match=says):
        call(app.push, "Work", **given)
    with pytest.raises(OptionError, match=says):
        call(app.push_many, "Work", [[]], **given)

    assert redis.dump() == {}


# -- by name --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["retry_in", "on_exhausted"])
def test_a_function_is_no_option_of_a_single_push(redis: RealRedis, app: RedisJobs, call: Call, option: str) -> None:
    """No payload can carry it, so it would silently do nothing."""

    @app.job(name="Work", **{option: lambda *_: None})
    def work() -> None: ...

    with pytest.raises(OptionError, match=f"{option} is a function, .* give it where the job is declared"):
        work.options(**{option: lambda *_: None})
    with pytest.raises(OptionError, match=option):
        call(app.push, "Work", **{option: lambda *_: None})
    assert redis.dump() == {}


def test_a_job_that_lives_elsewhere_is_pushed_by_its_name(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    jid = call(app.push, "Mailers::Welcome", [1, {"to": "bob"}])

    (job,) = queued(redis)
    assert list(job) == ["retry", "queue", "args", "class", "jid", "created_at", "enqueued_at"]
    assert (job["class"], job["args"], job["jid"]) == ("Mailers::Welcome", [1, {"to": "bob"}], jid)


def test_without_arguments_the_list_is_empty(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    call(app.push, "Work")

    assert queued(redis)[0]["args"] == []


@pytest.mark.parametrize(
    ("when", "score"),
    [
        ({"at": FAR}, lambda now: FAR),
        ({"at": datetime.fromtimestamp(FAR, UTC)}, lambda now: FAR),
        ({"delay_s": 60}, lambda now: now + 60),
        ({"delay_s": timedelta(hours=1)}, lambda now: now + 3600),
    ],
    ids=["number", "datetime", "seconds", "timedelta"],
)
def test_a_push_by_name_may_be_for_later(
    redis: RealRedis, app: RedisJobs, call: Call, when: dict[str, Any], score: Callable[[float], float]
) -> None:
    jid = call(app.push, "Work", ["a"], queue="low", **when)
    others = call(app.push_many, "Work", [["b"], ["c"]], queue="low", **when)

    found = scheduled(redis)
    assert [(job["jid"], job["args"], job["queue"]) for job, _ in sorted(found, key=lambda one: one[0]["args"])] == [
        (jid, ["a"], "low"),
        (others[0], ["b"], "low"),
        (others[1], ["c"], "low"),
    ]
    assert all(moment == pytest.approx(score(redis.now()), abs=5) for _, moment in found)
    assert set(redis.dump(GUARDS)) == {"schedule"}


def test_a_moment_and_a_delay_exclude_each_other(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    for method, args in ((app.push, []), (app.push_many, [[]])):
        with pytest.raises(TypeError, match="exclude each other"):
            call(method, "Work", args, at=FAR, delay_s=1)

    assert redis.dump() == {}


@pytest.mark.parametrize("args", ["text", {"a": 1}, {1}, 5, None])
def test_arguments_of_a_push_by_name_are_a_list(redis: RealRedis, app: RedisJobs, call: Call, args: Any) -> None:
    """A string is a sequence too, of letters: the slip to expect."""
    with pytest.raises(TypeError, match="arguments are a list or tuple"):
        call(app.push, "Work", args)
    with pytest.raises(TypeError, match="arguments are a list or tuple"):
        call(app.push_many, "Work", [[1], args])

    assert redis.dump() == {}


@pytest.mark.parametrize("name", ["", None, 5, print])
def test_a_push_by_name_needs_a_name(redis: RealRedis, app: RedisJobs, call: Call, name: Any) -> None:
    with pytest.raises(PayloadError, match=r"^class: "):
        call(app.push, name)

    assert redis.dump() == {}


# -- namespaces -----------------------------------------------------------------------------------------------------


def test_a_namespace_stands_before_every_key(redis: RealRedis, apps: Callable[..., RedisJobs], call: Call) -> None:
    app = apps(redis.url, namespace="shop")
    work = app.job(name="Work", queue="low")(lambda name: None)

    call(work.enqueue, "a")
    call(work.enqueue_in, 60, "b")

    database = redis.dump()
    assert all(key.startswith("shop:") for key in database)
    assert set(redis.dump(GUARDS)) == {"shop:queue:low", "shop:queues", "shop:schedule"}
    assert database["shop:queues"] == {"low"}
    assert '"queue":"low"' in database["shop:queue:low"][0]


def test_apps_of_other_namespaces_do_not_see_each_others_jobs(
    redis: RealRedis, apps: Callable[..., RedisJobs], call: Call
) -> None:
    for name in ("one", "two"):
        call(apps(redis.url, namespace=name).push, "Work", [name])
    call(apps(redis.url).push, "Work", ["none"])

    assert arguments(queued(redis)) == ["none"]
    assert len(redis.value("one:queue:default")) == len(redis.value("two:queue:default")) == 1
