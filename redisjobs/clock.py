"""Time as this process sees it: durations, deadlines, and the stamps written into payloads.

Due times are not decided here: whether a job is due is Redis' own clock, read inside the scripts.
"""

from __future__ import annotations

import time

now = time.time
"""Unix seconds, float: for stamps that people read (`created_at`, `failed_at`)."""

monotonic = time.monotonic
"""Seconds that never jump, float: for durations and deadlines. Goes on while a process is stopped by SIGSTOP."""
