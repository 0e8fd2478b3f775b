"""All that talks to Redis: keys, operations, scripts, connections. The only layer that imports redis-py."""
