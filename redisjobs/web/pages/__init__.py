"""The pages, each a module that looks into Redis and fills templates.

Each tells its `LOOKS`, which change nothing, and its `ACTS`, which forms post to: paths and functions of a `View`.
"""

from redisjobs.web.pages import busy, dashboard, job, metrics, queues, sets, tasks, transfer

_MODULES = (dashboard, queues, busy, sets, transfer, job, tasks, metrics)

LOOKS = [look for module in _MODULES for look in module.LOOKS]
ACTS = [act for module in _MODULES for act in module.ACTS]
STREAMS = [stream for module in _MODULES for stream in getattr(module, "STREAMS", ())]
