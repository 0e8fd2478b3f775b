"""`redisjobs`: the commands, where they stand, and how errors end.

A command's module is imported when it is asked for; none imports redis-py or asyncio before it talks to Redis.
Exit status: 0 fine, 1 failed, 2 wrong usage. An error is one line on standard error; `REDISJOBS_DEBUG=1` shows more.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from redisjobs import config
from redisjobs.cli.groups import LazyGroup
from redisjobs.cli.session import Session, root_options
from redisjobs.errors import AppNotFoundError, ConfigError, OptionError, QueryError, RedisJobsError
from redisjobs.version import __version__
from redisjobs.wording import printable

COMMANDS = {
    "worker": ("redisjobs.cli.worker:worker", "Run the jobs of an app."),
    "enqueue": ("redisjobs.cli.enqueue:enqueue", "Push a job by its name on the wire and print its jid."),
    "stats": ("redisjobs.cli.stats:stats", "Show runs, failures, and how many jobs wait where."),
    "queues": ("redisjobs.cli.queues:queues", "Show all queues."),
    "queue": ("redisjobs.cli.queue:queue", "Look into one queue, or pause, resume or clear it."),
    "processes": ("redisjobs.cli.processes:processes", "Show the workers and what they run."),
    "top": ("redisjobs.cli.top:top", "Watch queues, workers and failed jobs live, and act on them."),
    "watch": ("redisjobs.cli.watch:watch", "Follow starts and ends of jobs as they happen."),
    "retries": ("redisjobs.cli.sets:retries", "Failed jobs that wait for their next run."),
    "scheduled": ("redisjobs.cli.sets:scheduled", "Jobs that wait for their moment."),
    "dead": ("redisjobs.cli.sets:dead", "Jobs that were given up, and bytes that never were a job."),
    "find": ("redisjobs.cli.find:find", "Find jobs in queues, sets and workers."),
    "job": ("redisjobs.cli.find:job", "Show a job wherever it is now."),
    "errors": ("redisjobs.cli.errors:errors", "Group failed jobs by what went wrong."),
    "retry": ("redisjobs.cli.bulk:retry", "Put all jobs of a set that match into their queues now."),
    "kill": ("redisjobs.cli.bulk:kill", "Move all jobs that match to the dead set."),
    "delete": ("redisjobs.cli.bulk:delete", "Delete all jobs that match."),
    "reschedule": (
        "redisjobs.cli.bulk:reschedule",
        "Give all jobs that match, in retries or scheduled, another moment.",
    ),
    "export": ("redisjobs.cli.transfer:export", "Write jobs as JSON lines."),
    "import": ("redisjobs.cli.transfer:import_", "Put exported jobs back."),
    "doctor": (
        "redisjobs.cli.doctor:doctor",
        "Look for what is wrong with Redis, the queues and the workers, and say what to do.",
    ),
    "monitor": (
        "redisjobs.cli.monitor:monitor",
        "Say whether all is well: sizes, latencies, workers, and what the doctor calls a problem.",
    ),
    "exporter": ("redisjobs.cli.exporter:exporter", "Answer /metrics for Prometheus, from Redis alone."),
    "move": ("redisjobs.cli.move:move", "Move queues and sets to another namespace, database or server."),
    "failed": ("redisjobs.cli.failed:failed", "Failures of Resque's jobs."),
    "web": ("redisjobs.cli.web:web", "Serve the web UI."),
    "quiet": ("redisjobs.cli.signals:quiet", "Have workers take no more jobs."),
    "stop": ("redisjobs.cli.signals:stop", "Have workers end."),
    "cancel": ("redisjobs.cli.cancel:cancel", "End jobs that run, and put them into the dead set."),
    "adopt": ("redisjobs.cli.adopt:adopt", "Take over the jobs of a node of Exq's or Verk's that died."),
    "demo": ("redisjobs.cli.demo:demo", "Enqueue a mix of jobs and run them here."),
    "version": ("redisjobs.cli.version:version", "Show the version."),
}

_EPILOG = """
Redis is found by --url, else REDISJOBS_URL, else REDIS_URL, else a private server of this machine.

Shell completion: put  eval "$(_REDISJOBS_COMPLETE=bash_source redisjobs)"  into ~/.bashrc; for zsh and fish write
zsh_source, fish_source. All commands: docs/cli.md.
"""


@click.group(
    cls=LazyGroup,
    lazily=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="redisjobs", message="%(prog)s %(version)s")
@root_options
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Background jobs on Redis, in Sidekiq's format."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)
    ctx.call_on_close(ctx.ensure_object(Session).close)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another encoding is no reason to fail
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit status, errors already told."""
    try:
        status = cli.main(args, prog_name="redisjobs", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort as abort:
        if isinstance(abort.__cause__, KeyboardInterrupt):
            return 130
        return _failed("nothing was done", 1)
    except click.UsageError as error:
        where = f" ({error.ctx.command_path} -h)" if error.ctx is not None else ""
        return _failed(f"{error.format_message().rstrip('.')}{where}", 2)
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except (ConfigError, OptionError, QueryError) as error:
        return _failed(str(error), 1 if isinstance(error, AppNotFoundError) else 2)
    except (RedisJobsError, OSError) as error:
        return _failed(str(error), 1)
    except Exception as error:  # the last resort: a bug of ours, or of the user's startup code
        return _failed(f"{type(error).__name__}: {error} (REDISJOBS_DEBUG=1 shows where)", 1)
    return status if isinstance(status, int) else 0


def _failed(text: str, status: int) -> int:
    if config.debugging():
        traceback.print_exc()
    click.echo(f"Error: {printable(text)}", err=True)
    return status


if __name__ == "__main__":
    main()
