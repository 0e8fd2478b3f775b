"""What Python code needs to talk to Rails' ActiveJob: Ruby's values, and rules for errors. See docs/active-job.md."""

from redisjobs.middleware.active_job import ActiveJob, RetryOn
from redisjobs.wire.activejob import (
    Duration,
    GlobalID,
    IndifferentHash,
    Module,
    Range,
    RubyTime,
    Serialized,
    Symbol,
    current_attributes,
)
from redisjobs.wire.jobdata import ActiveJobData

__all__ = [
    "ActiveJob",
    "ActiveJobData",
    "Duration",
    "GlobalID",
    "IndifferentHash",
    "Module",
    "Range",
    "RetryOn",
    "RubyTime",
    "Serialized",
    "Symbol",
    "current_attributes",
]
