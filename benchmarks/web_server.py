"""The web UI as a process of its own, for who measures it: `python -m benchmarks.web_server PORT`."""

from __future__ import annotations

import sys

import uvicorn

from benchmarks.stand_in import web
from redisjobs import RedisJobs

if __name__ == "__main__":
    uvicorn.run(web(RedisJobs()), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
