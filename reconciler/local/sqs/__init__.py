"""Simple Queue Service: standard queues on the emulator's clock."""
