"""docs/configuration.md: its TOML is read, and of sidekiq.yml it names what has an effect and what has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from redisjobs import config, sidekiq_yml

pytestmark = pytest.mark.quick

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")


def test_the_toml_of_the_page_is_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])

    settings = config.build(config.from_file(file))

    assert [(one.name, one.concurrency) for one in settings.capsules] == [("default", 20), ("serial", 1)]


def test_keys_of_sidekiq_yml_have_the_effect_that_the_page_says(tmp_path: Path) -> None:
    section = PAGE.partition("## Sidekiq's")[2]
    table = [name for line in section.splitlines() if line.startswith("| `") for name in _names(line.split("|")[1])]
    ignored = _names(section.partition("Every other key")[2].partition("```")[0])
    file = tmp_path / "sidekiq.yml"
    names = {name for name in (*table, *ignored) if re.fullmatch("[a-z_]+", name)}
    file.write_text("".join(f"{name}: {{}}\n" for name in sorted(names)))

    found = set(sidekiq_yml.read(file, "production").ignored)

    assert found == names - set(table)
    assert found >= {"require", "max_retries", "pidfile", "schedule"}


def _names(text: str) -> list[str]:
    return [name.rstrip(":") for name in re.findall("`([^`]+)`", text)]
