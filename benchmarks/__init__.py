"""Programs that measure redisjobs beside its peers: `python -m benchmarks`, or one alone: `python -m benchmarks.drain`."""
