"""`redisjobs worker`: run jobs until told to stop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redisjobs import config
from redisjobs.cli import loading
from redisjobs.cli.session import Session
from redisjobs.config import Given
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    from redisjobs.worker import logs
else:
    logs = LazyModule("redisjobs.worker.logs")


@click.command()
@click.argument("app", required=False, metavar="[MODULE:ATTRIBUTE]")
@click.option("-q", "--queue", "queues", multiple=True, metavar="NAME[,WEIGHT]", help="A queue; repeatable.")
@click.option("-c", "--concurrency", type=int, help="Jobs at once; default 10.")
@click.option(
    "-t", "--timeout", "timeout_s", type=float, metavar="SECONDS", help="For running jobs at a stop; default 25."
)
@click.option("-e", "--environment", metavar="NAME", help="Name of this deployment, such as production.")
@click.option("--tag", metavar="TEXT", help="Shown beside the process.")
@click.option("--label", "labels", multiple=True, metavar="TEXT", help="Shown beside the process; repeatable.")
@click.option("--shard", metavar="NAME", default="", help="Work for this shard of the app, not for its main Redis.")
@click.option("-r", "--require", multiple=True, metavar="MODULE", help="A module with more jobs; repeatable.")
@click.option(
    "-C", "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file with settings."
)
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Default: text.")
@click.option("--log-level", metavar="LEVEL", help="debug, info (the default), warning or error.")
@click.option("--log-file", metavar="FILE", help="Default: standard error.")
@click.option("--no-job-log", is_flag=True, help="No line at each job's start and end; failures are written.")
@click.option("-v", "--verbose", is_flag=True, help="The same as --log-level debug.")
@click.pass_context
def worker(ctx: click.Context, /, file: Path | None, shard: str, no_job_log: bool, verbose: bool, **given: Any) -> None:
    """Run the jobs of an app.

    Such as `redisjobs worker shop.jobs:app -q critical,3 -q default`.

    Queues without weights are taken from in strict order; with weights, by lot. A setting is also read from
    REDISJOBS_APP, REDISJOBS_QUEUES, ...; from the file of --config; and from [tool.redisjobs] of pyproject.toml: the
    first of these that has it counts, after the command line.

    Signals: TERM or INT stops, TSTP takes no more jobs, TTIN writes what the threads do.
    """
    session = ctx.ensure_object(Session)
    if session.url or session.namespace:
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
    log_file = config.setting("log_file", *sources)
    logs.setup(
        config.setting("log_format", *sources),
        config.setting("log_level", *sources) or "info",
        Path(log_file) if log_file else None,
    )
    folder = Path.cwd()
    app = loading.find_app(spec, folder)
    for module in config.setting("require", *sources) or ():
        loading.load(module, folder)
    try:
        status = app.shard(shard).build_worker(settings, embedded=False).run()
    finally:
        app.close()
    sys.exit(status)


def _sources(file: Path | None, told: dict[str, Any]) -> list[Given]:
    sources = [config.from_pyproject(Path.cwd())]
    if file is not None:
        sources.append(config.from_file(file))
    return [*sources, config.from_environment(), Given("the command line", told)]
