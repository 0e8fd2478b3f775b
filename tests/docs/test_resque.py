"""What docs/resque.md shows is run, in its order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs" / "resque.md"


def test_the_page_from_top_to_bottom(redis: RealRedis, tmp_path: Path) -> None:
    blocks = re.findall(r"<!-- run -->\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), "utf-8")

    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "REDISJOBS_URL": redis.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["archived 35/tar", "1 1 1", "[]"]
    assert redis.value("resque:persistent_schedules") is not None
    assert redis.value("queues") == {"mail"}
