"""Have workers, Redis and the network die in every way we know, and count what is lost and what runs twice.

`scripts/chaos` is the program; docs/reliability.md tells what it does and has its table.
"""
