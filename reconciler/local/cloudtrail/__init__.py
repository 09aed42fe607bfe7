"""CloudTrail: who has called what, as events and as the event history."""
