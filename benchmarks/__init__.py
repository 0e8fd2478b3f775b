"""Programs that measure redisjobs beside its peers: all by `python -m benchmarks`, one by its module's name."""
