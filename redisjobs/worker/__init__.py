"""One process that runs jobs."""
