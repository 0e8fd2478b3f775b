"""`redisjobs exporter`: an HTTP server that Prometheus scrapes."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import click

from redisjobs.cli.session import Session, shared_options
from redisjobs.config import address
from redisjobs.inspector.exporter import Exporter
from redisjobs.wire.exposition import CONTENT_TYPE

_CALLER_S = 5.0  # that one caller may keep the others waiting


@click.command()
@click.option(
    "--bind",
    metavar="HOST:PORT",
    default="127.0.0.1:9394",
    show_default=True,
    help="Where to answer; anybody who gets there may read.",
)
@shared_options
@click.pass_obj
def exporter(session: Session, bind: str) -> None:
    """Answer /metrics for Prometheus, from Redis alone.

    It tells of queues, sets, workers and what each class does, Ruby's too. One of it is enough for a Redis.
    docs/monitoring.md has the metrics.
    """
    try:
        where = address(bind)
    except ValueError as error:
        raise click.UsageError(f"--bind {bind}: {error}") from None
    with _Server(where, session.app.exporter()) as server:
        click.echo(f"answering http://{_shown(server)}/metrics", err=True)
        server.serve_forever()


class _Server(HTTPServer):
    """Answers one caller at a time, so that scrapes never run side by side."""

    def __init__(self, where: tuple[str, int], exporter: Exporter) -> None:
        self.exporter = exporter
        self.address_family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        super().__init__(where, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave it at that: a caller went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _CALLER_S

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, "try /metrics")
            return
        body = self.server.exporter.scrape().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: scrapes come every few seconds."""


def _shown(server: HTTPServer) -> str:
    host, port = server.server_address[:2]
    return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"
