"""Celery: acknowledged late, redelivered when a child or a worker is lost, nothing prefetched."""

from __future__ import annotations

from celery import Celery

from chaos.peers.pushing import URL, perform, push_each

app = Celery("chaos", broker=URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    broker_transport_options={"visibility_timeout": 30},
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
)
work = app.task(name="work")(perform)

if __name__ == "__main__":
    push_each(work.delay)
