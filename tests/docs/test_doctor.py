"""docs/doctor.md tells of each check, and its examples are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from redisjobs.inspector.doctor.examine import CHECKS
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
MORE = {"connection", "evicted"}
"""What comes of no check of its own."""


def test_each_check_has_its_section_and_each_section_its_check() -> None:
    headings = re.findall(r"^### (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)

    told = [name for heading in headings for name in re.findall("`([^`]+)`", heading)]

    assert sorted(told) == sorted({check.name for check in CHECKS} | MORE)


def test_the_example_in_python_runs(app: RedisJobs, redis: RealRedis, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    redis.seed({"queues": {"q"}, "queue:q": ["job"]})

    with pytest.raises(AssertionError):
        exec(code, {"app": app})

    assert "problem unheard nobody listens to the queue q" in capsys.readouterr().out
