"""The data API for people: look into queues and sets, and move, delete or revive what is there. Sync only.

What it lists is what anybody wrote: an entry that is no job is shown as such, and nothing here fails because of it.
Must not know: workers. It reads what they left in Redis and asks Redis for moves, each atomic per job.
"""

from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import JobEntry, SetEntry
from redisjobs.inspector.fleet import Fleet, Member
from redisjobs.inspector.metrics import ClassRuns, Mark, Metrics, Runs, Step
from redisjobs.inspector.orphans import Held, Orphans
from redisjobs.inspector.processes import Process, ProcessSet
from redisjobs.inspector.queues import Queue, QueueSummary, all_queues, summaries
from redisjobs.inspector.resque import FailedEntry, FailedList, Recurring, Resque, ResqueWorker
from redisjobs.inspector.sets import DeadSet, JobSet, RetrySet, ScheduledSet
from redisjobs.inspector.stats import Day, Stats
from redisjobs.inspector.watching import Watching
from redisjobs.inspector.work import Work, WorkSet

__all__ = [
    "Access",
    "ClassRuns",
    "Day",
    "DeadSet",
    "FailedEntry",
    "FailedList",
    "Fleet",
    "Held",
    "JobEntry",
    "JobSet",
    "Mark",
    "Member",
    "Metrics",
    "Orphans",
    "Process",
    "ProcessSet",
    "Queue",
    "QueueSummary",
    "Recurring",
    "Resque",
    "ResqueWorker",
    "RetrySet",
    "Runs",
    "ScheduledSet",
    "SetEntry",
    "Stats",
    "Step",
    "Watching",
    "Work",
    "WorkSet",
    "all_queues",
    "summaries",
]
