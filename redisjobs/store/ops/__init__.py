"""Functions that return Ops, one per thing that can happen to a job."""
