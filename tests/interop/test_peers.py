"""The harness itself: what a failing interop test would otherwise be blamed on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.peers import SCRIPT, RubyError, RubyPeer
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

PAGES = ["/", "/busy", "/queues", "/queues/default", "/retries", "/scheduled", "/morgue", "/stats"]
ARGUMENTS: list[Any] = [1, -(2**70), 1.5, 1e20, "héllo 日本\n\u0000", None, True, [], {}, {"a": [None, {"b": 2**64}]}]


def test_each_generation_is_the_one_it_says(peer: RubyPeer) -> None:
    assert peer.version.startswith(f"{peer.generation}.")
    assert re.fullmatch(r"3\.\d+\.\d+", peer.ruby_version)


def test_values_cross_unchanged(peer: RubyPeer) -> None:
    assert peer.eval("input['values']", values=ARGUMENTS) == ARGUMENTS
    assert peer.eval('["\\xff\\x00".b, :symbol]') == [b"\xff\x00", "symbol"]


def test_what_is_no_json_is_an_error_and_not_a_guess(peer: RubyPeer) -> None:
    with pytest.raises(RubyError, match="Object is not JSON"):
        peer.eval("Object.new")
    with pytest.raises(RubyError, match="NaN is not JSON"):
        peer.eval("Float::NAN")


def test_a_ruby_error_tells_its_class_and_place(peer: RubyPeer) -> None:
    with pytest.raises(RubyError) as caught:
        peer.eval("\nInteger('x')")

    assert caught.value.kind == "ArgumentError"
    assert any("(eval):2" in line for line in caught.value.backtrace)
    with pytest.raises(RubyError, match="SyntaxError"):
        peer.eval("1 +")


def test_constants_stay_and_local_variables_do_not(peer: RubyPeer) -> None:
    peer.eval("class InteropProbe; def self.hi = 'hi'; end; leftover = 1")

    assert peer.eval("InteropProbe.hi") == "hi"
    with pytest.raises(RubyError, match="leftover"):
        peer.eval("leftover")


def test_output_of_the_code_does_not_disturb_the_answers(peer: RubyPeer) -> None:
    assert peer.eval("puts '{}'; $stdout.puts 'x'; system('echo y'); 5") == 5


def test_a_dead_ruby_is_reported_and_replaced(peer: RubyPeer) -> None:
    with pytest.raises(RubyError, match=r"(?s)exited 3; it printed:.*last words"):
        peer.eval("$stderr.puts 'last words'; exit! 3")

    assert peer.eval("6 * 7") == 42


def test_a_ruby_that_hangs_is_reported_and_replaced(peer: RubyPeer) -> None:
    with pytest.raises(RubyError, match=r"did not answer within 0\.2 s"):
        peer.eval("sleep", timeout_s=0.2)

    assert peer.eval("6 * 7") == 42


def test_a_database_can_be_named_in_the_url(peer: RubyPeer, redis: RealRedis) -> None:
    with RubyPeer(peer.generation, f"{peer.redis_url}?db=7") as elsewhere:
        elsewhere.eval("Interop::Record.perform_async(1)")

    assert redis.client.info("keyspace").keys() == {"db7"}


def test_a_server_runs_jobs_and_tells_the_arguments(peer: RubyPeer, redis: RealRedis) -> None:
    with peer.start_worker() as worker:
        jid = peer.eval("Interop::Record.perform_async(*input['args'])", args=ARGUMENTS)
        ran = json.loads(eventually(lambda: redis.client.lindex("interop:ran", 0)))

        assert ran == {"jid": jid, "class": "Interop::Record", "args": ARGUMENTS}
        assert redis.client.smembers("processes") == {worker.identity.encode()}
        assert worker.identity.split(":")[1] == str(worker.pid)
        assert worker.stop() == 0


def test_a_killed_server_is_really_dead(peer: RubyPeer) -> None:
    worker = peer.start_worker()

    worker.kill()

    assert not Path(f"/proc/{worker.pid}").exists()
    assert worker.wait() == -signal.SIGKILL


def test_a_server_that_cannot_boot_shows_its_log(peer: RubyPeer, tmp_path: Path) -> None:
    (tmp_path / "broken.rb").write_text("raise 'cannot go on'")

    with pytest.raises(RubyError, match=r"(?s)sidekiq exited 1; it logged:.*cannot go on"):
        peer.start_worker(require=tmp_path / "broken.rb")


def test_the_enqueuer_promotes_what_is_due(peer: RubyPeer, redis: RealRedis) -> None:
    jid = peer.eval("Interop::Record.perform_in(3600, 1)")
    [raw] = redis.client.zrange("schedule", 0, -1)
    redis.client.zadd("schedule", {raw: 1})

    peer.promote()

    assert redis.client.zcard("schedule") == 0
    assert [json.loads(each)["jid"] for each in redis.client.lrange("queue:default", 0, -1)] == [jid]


def test_each_page_answers(peer: RubyPeer) -> None:
    peer.eval("Interop::Record.perform_async('<needle>')")

    pages = dict(zip(PAGES, peer.web([("GET", path) for path in PAGES]), strict=True))

    assert {path: page.status for path, page in pages.items()} == dict.fromkeys(PAGES, 200)
    assert "&lt;needle&gt;" in pages["/queues/default"].body
    assert pages["/"].headers["content-type"].startswith("text/html")


def test_a_page_that_raises_is_a_500_with_the_error(peer: RubyPeer, redis: RealRedis) -> None:
    redis.client.zadd("retry", {"null": 1})

    [page] = peer.web([("GET", "/retries")])

    assert page.status == 500
    assert "NoMethodError" in page.body


def test_a_post_passes_the_forgery_checks(peer: RubyPeer, redis: RealRedis) -> None:
    peer.eval("Interop::Record.perform_in(3600, 1)")
    [(raw, score)] = peer.eval("Sidekiq::ScheduledSet.new.map { |entry| [entry.value, entry.score] }")
    key = f"{score}-{json.loads(raw)['jid']}"

    [answer] = peer.web([("POST", "/scheduled", {"key": [key], "delete": "Delete"})])

    assert answer.status == 302
    assert redis.client.zcard("schedule") == 0


# --- scripts/ruby-peers run, which all of the above goes through ---


def run(generation: int, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [SCRIPT, "run", str(generation), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)


def test_run_passes_arguments_streams_and_exit_code(peer: RubyPeer) -> None:
    code = "p ARGV; print $stdin.read.upcase; warn 'on stderr'; exit 7"

    result = run(peer.generation, "--", "ruby", "-e", code, "a b", "", "$x", "--", "é", input="in")

    assert (result.returncode, result.stdout) == (7, '["a b", "", "$x", "--", "é"]\nIN')
    assert result.stderr == "on stderr\n"


def test_run_shows_bound_folders_at_their_place(peer: RubyPeer, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "given").write_text("in")
    code = "print File.read('given'); File.write('got', 'x')"

    result = run(peer.generation, "--bind", folder, "--", "ruby", "-e", code, cwd=folder)

    assert (result.returncode, result.stdout, result.stderr) == (0, "in", "")
    assert (folder / "got").read_text() == "x"


def test_run_ignores_the_callers_ruby_settings(peer: RubyPeer) -> None:
    settings = {"RUBYOPT": "-rnonsense", "GEM_HOME": "/nonsense", "LC_ALL": "C", "LANG": "C"}

    result = run(peer.generation, "--", "ruby", "-e", "p Encoding.default_external", env={**os.environ, **settings})

    assert (result.returncode, result.stdout) == (0, "#<Encoding:UTF-8>\n")


def test_run_leaves_no_mount_behind(peer: RubyPeer, tmp_path: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()

    run(peer.generation, "--bind", tmp_path, "--", "true")

    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["run"], 2, "run needs a generation: 6, 7 or 8"),
        (["run", "9", "--", "true"], 2, "run needs a generation"),
        (["run", "8"], 2, "run needs a command"),
        (["run", "8", "--bind"], 2, "--bind needs a folder"),
        (["run", "8", "--bind", "/no/such/folder", "--", "true"], 1, "no such folder"),
        (["run", "8", "--bind", "/usr", "--", "true"], 1, "would hide the system inside"),
        (["5"], 2, "no generation '5'"),
        (["--nonsense"], 2, "unknown option --nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_says_what_is_wrong(words: list[str], code: int, complaint: str) -> None:
    result = subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (code, "")
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_generation_names_the_remedy(tmp_path: Path) -> None:
    environment = {**os.environ, "REDISJOBS_PEERS": str(tmp_path)}

    missing = run(8, "--", "true", env=environment)
    status = subprocess.run([SCRIPT, "--status", "8"], env=environment, capture_output=True, text=True, check=False)

    assert missing.returncode == 1
    assert missing.stderr == "ruby-peers: generation 8 is not installed; install it: scripts/ruby-peers 8\n"
    assert (status.returncode, status.stdout.splitlines()[1].split()[:2]) == (1, ["8", "missing"])
    assert list(tmp_path.iterdir()) == []
