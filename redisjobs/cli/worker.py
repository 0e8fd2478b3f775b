"""`redisjobs worker`: run jobs until told to stop."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redisjobs import config
from redisjobs.cli import loading
from redisjobs.cli.session import Session
from redisjobs.config import Given, WorkerConfig
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    from redisjobs import sidekiq_yml
    from redisjobs.app import RedisJobs
    from redisjobs.worker import channel as channels
    from redisjobs.worker import children, logs, origin, supervisor
else:
    sidekiq_yml = LazyModule("redisjobs.sidekiq_yml")
    channels = LazyModule("redisjobs.worker.channel")
    children = LazyModule("redisjobs.worker.children")
    logs = LazyModule("redisjobs.worker.logs")
    origin = LazyModule("redisjobs.worker.origin")
    supervisor = LazyModule("redisjobs.worker.supervisor")

log = logging.getLogger("redisjobs")


@click.command()
@click.argument("app", required=False, metavar="[MODULE:ATTRIBUTE]")
@click.option("-q", "--queue", "queues", multiple=True, metavar="NAME[,WEIGHT]", help="A queue; repeatable.")
@click.option("-c", "--concurrency", type=int, help="Jobs at once; default 10.")
@click.option(
    "-t", "--timeout", "timeout_s", type=float, metavar="SECONDS", help="For running jobs at a stop; default 25."
)
@click.option("--processes", type=int, help="Worker processes under one supervisor; default 1, without one.")
@click.option("--max-memory", metavar="SIZE", help="Have a process that grows larger drain and end, such as 512M.")
@click.option("--max-jobs", type=int, help="Have a process that ran so many jobs drain and end.")
@click.option("--health", metavar="HOST:PORT", help="Answer /livez, /readyz, /metrics; :8710 for this machine only.")
@click.option("-e", "--environment", metavar="NAME", help="Name of this deployment, such as production.")
@click.option("--tag", metavar="TEXT", help="Shown beside the process.")
@click.option("--label", "labels", multiple=True, metavar="TEXT", help="Shown beside the process; repeatable.")
@click.option("-r", "--require", multiple=True, metavar="MODULE", help="A module with more jobs; repeatable.")
@click.option(
    "-C",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings: a TOML file, or Sidekiq's config/sidekiq.yml.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Default: text.")
@click.option("--log-level", metavar="LEVEL", help="debug, info (the default), warning or error.")
@click.option("--log-file", metavar="FILE", help="Default: standard error.")
@click.option(
    "--executor",
    type=click.Choice(["thread", "process"]),
    help="Where plain functions run that do not say so; default thread.",
)
@click.option("--no-job-log", is_flag=True, help="No line at each job's start and end; failures are written.")
@click.option("--channel", type=int, hidden=True)  # a supervisor started this process
@click.option("-v", "--verbose", is_flag=True, help="The same as --log-level debug.")
@click.pass_context
def worker(
    ctx: click.Context, /, file: Path | None, no_job_log: bool, verbose: bool, channel: int | None, **given: Any
) -> None:
    """Run the jobs of an app.

    Such as `redisjobs worker shop.jobs:app -q critical,3 -q default`.

    Queues without weights are taken from in strict order; with weights, by lot. A setting is also read from
    REDISJOBS_APP, REDISJOBS_QUEUES, ...; from the file of --config; and from [tool.redisjobs] of pyproject.toml: the
    first of these that has it counts, after the command line.

    Signals: TERM or INT stops, TSTP takes no more jobs, TTIN writes what the threads do. With --processes, USR2
    replaces all processes by new ones that run the code as it is then, each when its successor is ready, and a process
    that died or has passed a limit is replaced. Without, who started this one must start another.
    """
    session = ctx.ensure_object(Session)
    if session.url or session.namespace or session.dialect != "sidekiq":
        raise click.UsageError("the app says where its Redis is; for one that does not, set REDISJOBS_URL")
    told = {name: value for name, value in given.items() if value not in (None, ())}
    if no_job_log:
        told["job_log"] = False
    if verbose:
        told.setdefault("log_level", "debug")
    sources = _sources(file, told)
    settings = config.build(*sources)
    spec = config.setting("app", *sources)
    if spec is None:
        raise click.UsageError("name the app, such as shop.jobs:app, here, in REDISJOBS_APP or in pyproject.toml")
    log_settings = origin.LogSettings(
        config.setting("log_format", *sources),
        config.setting("log_level", *sources) or "info",
        config.setting("log_file", *sources),
    )
    logs.setup(log_settings.style, log_settings.level, Path(log_settings.file) if log_settings.file else None)
    if channel is None:
        _tell_ignored(sources)
    folder = Path.cwd()
    app = loading.find_app(spec, folder)
    required = config.setting("require", *sources) or ()
    for module in required:
        loading.load(module, folder)
    try:
        status = _live(app, settings, origin.Origin(spec, required, log_settings), channel)
    finally:
        app.close()
    sys.exit(status)


def _live(app: RedisJobs, settings: WorkerConfig, source: origin.Origin, channel: int | None) -> int:
    """Be a worker, on one's own or as the child of a supervisor; or be that."""
    end: channels.Channel | None = None
    if channel is not None:
        children.end_with(os.getppid())
        end = channels.Channel.of_number(channel)
    elif settings.processes > 1:
        _import_all(app, settings)
        url = app.url  # starts the private server, if there is to be one: all children share it
        environment = config.with_redis(url if app.server is not None else None)
        found = supervisor.Supervisor(settings, _child_command, environment).run()
        if isinstance(found, int):
            return found
        end = found  # we are a child, and all that is our parent's is left behind
    return app.build_worker(settings, embedded=False, origin=source).run(end)


def _import_all(app: RedisJobs, settings: WorkerConfig) -> None:
    """Import what a worker imports, before the fork, so that all children share it: 12 MB each. Connects nothing."""
    app.build_worker(settings, embedded=False)
    app.store.line().close()


def _child_command(channel: int) -> list[str]:
    """Return what a fresh interpreter is told to become the child at the other end of a channel."""
    at = sys.argv.index("worker") + 1
    return ["-m", f"{__package__}.main", *sys.argv[1:at], "--channel", str(channel), *sys.argv[at:]]


def _sources(file: Path | None, told: dict[str, Any]) -> list[Given]:
    project, stronger = config.from_pyproject(Path.cwd()), [config.from_environment(), Given("the command line", told)]
    if file is None:
        return [project, *stronger]
    if not {".yml", ".yaml"}.intersection(file.suffixes):  # config/sidekiq.yml.erb too
        return [project, config.from_file(file), *stronger]
    environment = config.setting("environment", project, *stronger) or config.environment_name()
    return [project, sidekiq_yml.read(file, environment), *stronger]


def _tell_ignored(sources: Sequence[Given]) -> None:
    for given in sources:
        for name, reason in given.ignored.items():
            log.warning("setting ignored", extra={"source": given.source, "setting": name, "reason": reason})
