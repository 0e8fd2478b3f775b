"""The fixtures of the pytest plug-in, in runs of pytest and of unittest of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

pytest_plugins = ["pytester"]

SHOP = """
from redisjobs import RedisJobs, current_job

app = RedisJobs("redis://127.0.0.1:1/0")
did = []

@app.job(queue="mailers")
def mail(to, *, subject="hi"):
    did.append(to)

@app.job
async def index(product):
    await mail.aenqueue(product)

def signup(user):
    mail.enqueue(user, subject="welcome")
    mail.enqueue_in(30, user)
"""


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -W error")
    pytester.makepyfile(shop=SHOP)
    return pytester


def test_the_fake_collects_and_nothing_leaks_into_the_next_test(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import pytest
        from redisjobs.testing import assert_enqueued, drain
        from shop import did, mail, signup

        @pytest.mark.parametrize("user", [1, 2])
        def test_signup(redisjobs_fake, user):
            signup(user)
            redisjobs_fake.assert_enqueued(
                mail, args=(user,), kwargs={"subject": "welcome"}, queue="mailers", in_s=None, count=1)
            assert_enqueued(mail, args=(user,), in_s=pytest.approx(30))
            assert len(redisjobs_fake.enqueued(mail)) == 2
            did.clear()
            drain()
            assert did == [user]
    """)

    shop.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_failure_shows_what_was_enqueued_and_none_of_our_code(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        from shop import mail, signup

        def test_signup(redisjobs_fake):
            signup(1)
            redisjobs_fake.assert_enqueued(mail, args=(2,))
    """)

    result = shop.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not enqueued: shop.mail with args=(2,)*", "*shop.mail(1, {}) to mailers in 30 s"])
    result.stdout.no_fnmatch_line("*redisjobs/testing/*")


def test_inline_runs_at_once(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import asyncio
        from shop import did, index

        def test_it(redisjobs_inline):
            index.enqueue(1)
            asyncio.run(index.aenqueue(2))
            assert did == [1, 2]
    """)

    shop.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_worker_runs_on_a_real_redis(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import pytest
        from shop import app, did, index, signup

        @pytest.mark.parametrize("user", [1, 2])
        def test_it(redisjobs_worker, user):
            did.clear()
            index.enqueue(user)
            assert redisjobs_worker.drain(30)
            assert did == [user]
            assert app.stats.processed == 2
            assert app.processes
    """)

    shop.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_worker_of_several_apps_wants_to_know_which(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import pytest
        from redisjobs import RedisJobs
        from shop import app, did, mail

        other = RedisJobs("redis://127.0.0.1:1/0")

        def test_which(redisjobs_worker): ...

        class TestShop:
            @pytest.fixture
            def redisjobs_app(self):
                return app

            def test_this(self, redisjobs_worker):
                mail.enqueue(1)
                assert redisjobs_worker.drain(30)
                assert did == [1]
    """)

    result = shop.runpytest_subprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*there are 2: override redisjobs_app*"])


def test_the_app_fixture_says_which_apps_are_held(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import pytest
        from redisjobs import RedisJobs, StoreUnavailableError
        from shop import app, mail

        other = RedisJobs("redis://127.0.0.1:1/0", patience_s=0)

        @pytest.fixture
        def redisjobs_app():
            return [app]

        def test_it(redisjobs_fake):
            mail.enqueue(1)
            with pytest.raises(StoreUnavailableError):
                other.push("J")
            assert len(redisjobs_fake.enqueued()) == 1
    """)

    shop.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_plug_in_loads_nothing_heavy_before_it_is_used() -> None:
    heavy = ("redis", "asyncio", "fakeredis", "redisjobs.worker", "redisjobs.inspector")
    code = "import sys, pytest; before = set(sys.modules); import redisjobs.testing.pytest_plugin; "
    code += f"print([name for name in {heavy} if name in sys.modules.keys() - before])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_unittest_works_as_well(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text("""
import unittest
from redisjobs import testing
from shop import app, did, index, mail, signup

class ShopTest(unittest.TestCase):
    def setUp(self):
        did.clear()
        self.jobs = self.enterContext(testing.fake(app))

    def test_signup(self):
        signup(1)
        self.jobs.assert_enqueued(mail, args=(1,), in_s=30)
        testing.assert_enqueued(mail, count=2)

    def test_nothing_is_left(self):
        self.jobs.assert_not_enqueued()

    @testing.inline(app)
    def test_inline(self):
        index.enqueue(2)
        self.assertEqual(did, [2])

class AsyncShopTest(unittest.IsolatedAsyncioTestCase):
    async def test_async(self):
        jobs = self.enterContext(testing.fake(app))
        did.clear()
        await index.aenqueue(3)
        await jobs.adrain()
        self.assertEqual(did, [3])
""")

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest", "-v"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "Ran 4 tests" in done.stderr
