"""EventBridge: rules on event buses, their patterns, and delivery to queues."""
