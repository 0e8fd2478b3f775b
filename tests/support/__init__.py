"""What tests share: a real redis-server, builders, and ways to wait and to fail."""
