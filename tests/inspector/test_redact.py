"""What pages may show: secrets are covered wherever they stand, and nothing else is."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisjobs import RedisJobs
from redisjobs.errors import ConfigError, OptionError, PayloadError
from redisjobs.inspector import FailedEntry, JobEntry, SetEntry
from redisjobs.inspector.redact import HIDDEN, Redaction
from redisjobs.jobs.signature import Sensitive
from redisjobs.wire import backtrace, deadletter, resque
from redisjobs.wire.times import WIRES
from tests.support.builders import a_payload

pytestmark = pytest.mark.quick

app = RedisJobs("redis://127.0.0.1:1")  # nothing connects


@app.job(name="Pay", sensitive=("card", "pin"))
def pay(user: int, card: str, *, pin: str = "", note: str = "") -> None: ...


@app.job(name="Tell", sensitive=[0, "rest"])
def tell(secret_word: str, shown: str, *rest: str) -> None: ...


@app.active_job("ReportJob", sensitive=("card",))
def report(user: int, card: str) -> None: ...


def an_entry(**fields: Any) -> JobEntry:
    return JobEntry(a_payload(**fields), "default")


def rails(*arguments: Any, job_class: str = "ReportJob") -> dict[str, Any]:
    """Return the fields of a payload that Rails made."""
    job = {"job_class": job_class, "job_id": "4f1c1a53-1d0f-4f6b-a5b8-0a8a6c1f8a11", "arguments": list(arguments)}
    return {"class_": "Sidekiq::ActiveJob::Wrapper", "wrapped": job_class, "args": [job]}


# -- what jobs declare ----------------------------------------------------------------------------------------------


def test_the_arguments_that_a_job_declares_are_hidden_by_place_and_by_keyword() -> None:
    entry = an_entry(class_="Pay", args=[7, "4111 1111", {"pin": "0420", "note": "hi"}])

    assert app.redaction().args(entry) == [7, HIDDEN, {"pin": HIDDEN, "note": "hi"}]


def test_a_declared_name_hides_that_key_in_any_dict_of_the_arguments() -> None:
    entry = an_entry(class_="Pay", args=[{"cards": [{"card": "4111"}, {"name": "Ann"}]}, "x"])

    assert app.redaction().args(entry) == [{"cards": [{"card": HIDDEN}, {"name": "Ann"}]}, HIDDEN]


def test_numbers_and_the_rest_of_the_arguments_can_be_declared() -> None:
    entry = an_entry(class_="Tell", args=["a", "b", "c", ["d"]])

    assert app.redaction().args(entry) == [HIDDEN, "b", HIDDEN, HIDDEN]


def test_jobs_of_others_show_their_arguments() -> None:
    entry = an_entry(class_="Other", args=[7, "4111 1111"])

    shown = app.redaction().entry(entry)

    assert shown is entry


def test_the_job_inside_one_of_rails_counts() -> None:
    entry = an_entry(**rails(7, "4111 1111"))

    shown = app.redaction().entry(entry)

    assert shown.display_args == [7, HIDDEN]
    assert shown.display_name == "ReportJob"
    assert b"4111" not in shown.raw


def test_elixirs_spelling_of_a_name_counts_too() -> None:
    redaction = Redaction(sensitive={"Shop::Pay": Sensitive(frozenset([0]))})

    for name in ("Shop::Pay", "Elixir.Shop.Pay", "Shop.Pay"):
        assert redaction.args(an_entry(class_=name, args=["4111"])) == [HIDDEN]
    assert redaction.payload(an_entry(class_="Shop.Pay", args='["4111",2]'))["args"] == '["[hidden]",2]'  # type: ignore[index]


def test_what_is_sensitive_in_a_job_of_others_can_be_told() -> None:
    redaction = Redaction(sensitive={"Ruby::Pay": [1, "pin"]})

    assert redaction.args(an_entry(class_="Ruby::Pay", args=[7, "4111", {"pin": "1"}])) == [7, HIDDEN, {"pin": HIDDEN}]


@pytest.mark.parametrize("name", ["kard", "shop", 5, "options"])
def test_what_a_function_does_not_take_cannot_be_declared(name: Any) -> None:
    def function(card: str, *, pin: str) -> None: ...

    with pytest.raises(OptionError, match=f"sensitive names {name!r}, but Odd takes no such argument"):
        app.job(name="Odd", sensitive=("card", "pin", name))(function)


def test_a_function_with_any_keyword_may_declare_each_but_not_all_at_once() -> None:
    def function(**options: str) -> None: ...

    made = app.job(name="AnyKeyword", sensitive=("pin",))(function)
    assert app.redaction().args(an_entry(class_="AnyKeyword", args=[{"pin": "1", "b": "2"}])) == [
        {"pin": HIDDEN, "b": "2"}
    ]
    assert made.sensitive.keys == {"pin"}
    with pytest.raises(OptionError, match="sensitive names 'options'"):
        app.job(name="Odd", sensitive=("options",))(function)


def test_a_default_for_all_jobs_is_for_those_that_have_such_an_argument() -> None:
    careful = RedisJobs("redis://127.0.0.1:1", defaults={"sensitive": ("card",)})

    @careful.job(name="Pay")
    def other(user: int, card: str) -> None: ...

    @careful.job(name="Plain")
    def plain(user: int) -> None: ...

    assert careful.redaction().args(an_entry(class_="Pay", args=[1, "2"])) == [1, HIDDEN]
    assert careful.redaction().args(an_entry(class_="Plain", args=[1])) == [1]


@pytest.mark.parametrize("value", ["card", [1.5], [True], [-1], [""], None])
def test_what_is_no_list_of_names_or_numbers_is_refused(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^sensitive=.*: must be a list of names of parameters"):
        app.job(name="Odd", sensitive=value)(lambda card: None)


def test_single_jobs_cannot_change_it() -> None:
    with pytest.raises(OptionError, match="sensitive is a matter of the pages"):
        pay.options(sensitive=())


# -- keys and patterns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["password", "userPassword", "API_KEY", "client_secret", "x-auth-token", "Authorization"]
)
def test_keys_that_sound_like_a_secret_are_hidden_everywhere(key: str) -> None:
    entry = an_entry(args=[{"deep": [{key: {"all": "of it"}}], "other": 1}], cattr={key: 5, "user": 6})

    shown = Redaction().payload(entry)

    assert shown is not None
    assert shown["args"] == [{"deep": [{key: HIDDEN}], "other": 1}]
    assert shown["cattr"] == {key: HIDDEN, "user": 6}


def test_patterns_hide_whole_arguments_numbers_too_and_what_stands_under_keys_that_match() -> None:
    redaction = Redaction([r"\b\d{16}\b", re.compile("^iban$", re.IGNORECASE)])
    entry = an_entry(args=["card 4111111111111111 of Ann", 4111111111111111, {"IBAN": "DE00"}, 17, None, True, 1.5])

    assert redaction.args(entry) == [HIDDEN, HIDDEN, {"IBAN": HIDDEN}, 17, None, True, 1.5]


def test_patterns_leave_alone_what_says_how_a_job_is_handled() -> None:
    entry = an_entry(args=["7"], failed_at=1732406400123, retry_count=3)

    shown = Redaction([r"\d"]).payload(entry)

    assert shown == {**json.loads(entry.raw), "args": [HIDDEN]}


def test_a_wrong_pattern_is_named() -> None:
    with pytest.raises(ConfigError, match=r"redact: '\(' is no regular expression"):
        Redaction(["("])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 for ann", "password=[hidden] for ann"),
        ("{'password': 'hunter 2', 'user': 'ann'}", "{'password': [hidden], 'user': 'ann'}"),
        ('{"api_key":"hun\\"ter2","user":1}', '{"api_key":[hidden],"user":1}'),
        ('"{\\"token\\": \\"hunter2\\"}"', '"{\\"token\\": [hidden]}"'),
        ("GET /?access_token=hunter2&page=2", "GET /?access_token=[hidden]&page=2"),
        ("Authorization: Bearer hunter2, next", "Authorization: [hidden], next"),
        ('cut in the middle: {"secret": "hunter 2', 'cut in the middle: {"secret": [hidden]'),
        ("{:client_secret=>'hunter2'}", "{:client_secret=>[hidden]}"),
        ("app/tokens.rb:12:in `token'", "app/tokens.rb:12:in `token'"),
        ("the password was wrong", "the password was wrong"),
    ],
)
def test_texts_that_name_a_secret_lose_its_value(text: str, shown: str) -> None:
    assert Redaction().text(text) == shown
    assert Redaction().text(shown) == shown


def test_only_the_part_that_matches_is_hidden_in_a_text() -> None:
    assert Redaction([r"\d{4,}"]).text("card 4111 of 12 cards") == "card [hidden] of 12 cards"


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
def test_what_was_hidden_in_the_arguments_is_hidden_in_the_error_and_its_backtrace(wire: Any) -> None:
    lines = ["pay.py:3:in `charge 4111 1111'", "pay.py:9:in `pay'"]
    entry = an_entry(
        class_="Pay",
        args=[7, "4111 1111", {"pin": "42"}],
        error_message="no card '4111 1111' known, 42 tries",
        error_class="ValueError",
        error_backtrace=backtrace.pack(lines, wire),
    )

    shown = app.redaction().entry(entry)

    assert shown.error_message == "no card '[hidden]' known, 42 tries"  # 42 is too short to be looked for
    assert shown.error_class == "ValueError"
    assert shown.backtrace == ["pay.py:3:in `charge [hidden]'", "pay.py:9:in `pay'"]


def test_a_job_with_very_many_secrets_shows_no_message_at_all() -> None:
    entry = an_entry(class_="Tell", args=["a", "b", [f"value {n}" for n in range(200)]], error_message="value 3 is odd")

    assert app.redaction().entry(entry).error_message == HIDDEN


def test_a_backtrace_that_is_too_long_to_be_read_is_not_shown_packed_either() -> None:
    shown = app.redaction().entry(an_entry(error_backtrace=backtrace.pack(["x" * 20_000_000], "sidekiq8")))

    assert shown.payload is not None and shown.payload["error_backtrace"] == HIDDEN


def test_a_failure_of_resques_is_covered_too() -> None:
    record = resque.failure(
        b'{"class":"Pay","args":[7,"4111 1111"]}',
        error=("ValueError", "no card 4111 1111"),
        backtrace=["pay.py:3:in `charge 4111 1111'", "pay.py"],
        worker="h:1:q",
        queue="q",
        at=1732406400.0,
    )

    shown = app.redaction().entry(FailedEntry(record))

    assert (shown.args, shown.error_message) == ([7, HIDDEN], "no card [hidden]")
    assert shown.backtrace == ["pay.py:3:in `charge [hidden]'", "pay.py"]
    assert b"4111" not in shown.raw


# -- bytes ----------------------------------------------------------------------------------------------------------


def test_the_raw_view_keeps_each_byte_of_the_fields_that_hide_nothing() -> None:
    raw = b'{"class":"Pay", "odd" : 1.50,"args":[1,"4111 1111"],"jid":"j\\u00fc"}'

    entry = SetEntry(raw, score=5.0)
    shown = app.redaction().entry(entry)

    assert shown.raw == b'{"class":"Pay","odd":1.50,"args":[1,"[hidden]"],"jid":"j\\u00fc"}'
    assert (shown.score, entry.raw) == (5.0, raw)


def test_the_envelope_of_bytes_that_are_no_job_hides_what_is_in_them() -> None:
    raw = b'{"class":"Pay","args":[1,"4111 1111"]}'  # no jid
    wrapped = deadletter.wrap(raw, PayloadError("jid", "missing"), queue="q", at=1.0, wire="sidekiq8")

    shown = app.redaction().entry(JobEntry(wrapped))

    assert shown.original == b'{"class":"Pay","args":[1,"[hidden]"]}'
    assert "4111" not in json.dumps(shown.payload)


@pytest.mark.parametrize("raw", [b'{"class":"Pay","args":[1,"4111', b'["Pay","4111"]', b'Pay \xff "4111"'])
def test_bytes_that_cannot_be_read_are_hidden_if_they_seem_to_be_of_a_job_with_secrets(raw: bytes) -> None:
    assert app.redaction().raw(raw) == HIDDEN.encode()


def test_other_bytes_that_cannot_be_read_are_covered_as_texts() -> None:
    assert Redaction([r"\d{4}"]).raw(b'\xff{"password":"x y","n":4111') == b'\xff{"password":[hidden],"n":[hidden]'


@pytest.mark.parametrize(
    "args", [b"[" * 90 + b"]" * 90, b"[1e999,5]", b'["\\ud800"]', b"[123456789012345678901234567890]"]
)
def test_odd_json_is_no_obstacle(args: bytes) -> None:
    raw = b'{"class":"Other","args":' + args + b',"password":"hunter2"}'

    shown = app.redaction().raw(raw)

    assert b"hunter2" not in shown
    assert app.redaction().raw(b'{"class":"Other","args":' + args + b"}") == b'{"class":"Other","args":' + args + b"}"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SECRET = "q9-hunter-2-q9"


@given(args=st.lists(values, max_size=4), data=st.data())
def test_a_secret_shows_nowhere_however_deep_it_stands(args: list[Any], data: Any) -> None:
    where = data.draw(st.sampled_from(["place", "key", "pattern"]))
    spot = {"place": [*args, SECRET], "key": [*args, [{"my_token": [SECRET]}]], "pattern": [*args, [{"a": [SECRET]}]]}[
        where
    ]
    told = {"Job": Sensitive(frozenset([len(args)]))} if where == "place" else None
    redaction = Redaction(["hunter"] if where == "pattern" else (), told)
    entry = an_entry(class_="Job", args=spot, error_message=f"odd: {SECRET}", cattr={"token": SECRET})

    shown = redaction.entry(entry)

    assert SECRET.encode() not in shown.raw
    assert SECRET not in repr((shown.payload, shown.display_args, shown.error_message))
    assert (shown.jid, shown.name, shown.queue) == (entry.jid, entry.name, entry.queue)


@given(args=st.lists(values), fields=st.dictionaries(st.text(), values, max_size=3))
def test_what_is_shown_is_a_payload_and_stays_as_it_is_if_covered_again(
    args: list[Any], fields: dict[str, Any]
) -> None:
    raw = msgspec.json.encode({**fields, "class": "Pay", "args": args, "jid": "j"})

    shown = app.redaction(["[0-9]"]).raw(raw)

    assert msgspec.json.decode(shown)["class"] == "Pay"
    assert app.redaction(["[0-9]"]).raw(shown) == shown


@given(raw=st.binary())
def test_whatever_bytes_there_are_something_is_shown(raw: bytes) -> None:
    assert isinstance(app.redaction([r"\d"]).raw(raw), bytes)
