"""`redisjobs adopt`: the jobs that nodes of Exq and Verk left behind."""

from __future__ import annotations

import click

from redisjobs.cli.output import echo, echo_json, table
from redisjobs.cli.session import Session, shared_options
from redisjobs.wording import cut, printable


@click.command()
@click.argument("peer", type=click.Choice(["exq", "verk"]))
@click.argument("node", required=False)
@click.option("--force", is_flag=True, help="Though the node lives: what it runs then runs twice.")
@shared_options
@click.pass_obj
def adopt(session: Session, peer: str, node: str | None, force: bool) -> None:
    """Take over the jobs of a node of Exq's or Verk's that died.

    Without NODE, show what all nodes hold. With it, give what that one holds back to its queues, to run next and in
    order. Keys are those of --namespace, else of Exq's default. Exits 1 if the node lives, or holds nothing.
    """
    session.wire = "verk" if peer == "verk" else "exq"
    orphans = session.app.orphans(session.wire)
    if node is not None:
        _adopted(session, node, orphans.adopt(node, force=force))
        return
    held = list(orphans)
    if session.as_json:
        echo_json([{"node": one.node, "queue": one.queue, "size": one.size, "state": one.state} for one in held])
    elif not held:
        echo("nothing is held")
    else:
        rows = [
            (cut(printable(one.node), 60), cut(printable(one.queue), 60), f"{one.size:,}", one.state) for one in held
        ]
        echo(table(["NODE", "QUEUE", "JOBS", "STATE"], rows, right=(2,)))


def _adopted(session: Session, node: str, moved: dict[str, int]) -> None:
    if session.as_json:
        echo_json({"node": node, "adopted": moved})
    elif moved:
        queues = ", ".join(f"{printable(queue)} {count:,}" for queue, count in moved.items())
        echo(f"{sum(moved.values()):,} adopted: {queues}")
    if not moved:
        raise click.ClickException(f"{printable(node)} holds nothing")
