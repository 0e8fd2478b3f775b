"""Exq and Verk, who cannot be installed here: what they write, and the commands that they send, by their specs.

Each method is one operation of exq v0.23.0 (`ExqNode`) or verk v1.7.3 (`VerkNode`) on Redis, in their order; their
scripts are replayed by their effect, atomically. What makes them crash, crashes here too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

EXQ_JOB: dict[str, Any] = {
    "args": ["a", 1],
    "class": "My.Worker",
    "enqueued_at": 1714566600.123456,
    "jid": "5f1c0f3e-7c0b-4f57-9d0e-0d6d6b1c9a11",
    "queue": "default",
    "retry": 25,
}
EXQ_RETRY: dict[str, Any] = {
    **EXQ_JOB,
    "error_class": None,
    "error_message": '{%RuntimeError{message: "boom"}, […]}',
    "failed_at": 1714566601.2,
    "finished_at": None,
    "processor": None,
    "retried_at": 1714566601.2,
    "retry_count": 1,
}
EXQ_INFO: dict[str, Any] = {
    "busy": 1,
    "concurrency": 0,
    "hostname": "web-1",
    "identity": "web-1",
    "labels": [],
    "pid": "4711",
    "queues": ["default"],
    "quiet": False,
    "started_at": 1714566000.0,
    "tag": "",
}
VERK_JOB: dict[str, Any] = {
    "args": "[1,2]",
    "class": "ExampleWorker",
    "created_at": None,
    "enqueued_at": 1714566600,
    "error_backtrace": None,
    "error_message": None,
    "failed_at": None,
    "finished_at": None,
    "jid": "29384756123456789",
    "max_retry_count": 25,
    "queue": "default",
    "retried_at": None,
    "retry_count": 0,
}
VERK_RETRY: dict[str, Any] = {
    **VERK_JOB,
    "error_backtrace": "    (app) lib/example_worker.ex:5: ExampleWorker.perform/2\n",
    "error_message": "boom",
    "failed_at": 1714566601,
    "retry_count": 1,
}
