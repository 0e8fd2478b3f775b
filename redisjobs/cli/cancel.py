"""`redisjobs cancel`: end jobs where they run."""

from __future__ import annotations

import click

from redisjobs.cli.output import echo, echo_json
from redisjobs.cli.session import Session, shared_options
from redisjobs.errors import RedisJobsError, StoreError


@click.command()
@click.argument("jids", nargs=-1, required=True, metavar="JID...")
@shared_options
@click.pass_obj
def cancel(session: Session, jids: tuple[str, ...]) -> None:
    """End jobs that run, and put them into the dead set.

    Their processes hear of it with their next heartbeat. A thread hears it between two steps of Python; a child process
    is killed. Of Ruby's jobs those that iterate end, as done; others cannot.
    Exits 1 if one does not run, or cannot be ended.
    """
    running = {work.jid: work for work in session.app.running}
    asked, left = [], []
    for jid in dict.fromkeys(jids):
        try:
            if jid not in running:
                raise RedisJobsError(f"{jid} does not run, as far as the last heartbeats tell")
            running[jid].cancel()
            asked.append(jid)
        except StoreError:
            raise
        except RedisJobsError as error:
            left.append(str(error))
    if session.as_json:
        echo_json({"cancelled": asked, "problems": left})
    else:
        echo(f"{len(asked)} asked to end")
    if left:
        raise click.ClickException("; ".join(left))
