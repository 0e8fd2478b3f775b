"""Bytes as Sidekiq writes and reads them. No I/O, no clock, no randomness but jids."""
