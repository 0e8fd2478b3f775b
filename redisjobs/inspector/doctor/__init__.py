"""The doctor: what is wrong with a Redis, its queues and its workers, and what to do about it.

`facts.py` asks, within bounds; the checks judge, each a pure function; `examine` puts them together. Nothing is
written. Redis may be anything that holds jobs: with few rights, a replica, full, or not there at all.
"""

from redisjobs.inspector.doctor.examine import examine
from redisjobs.inspector.doctor.finding import Finding, Level, Report

__all__ = ["Finding", "Level", "Report", "examine"]
