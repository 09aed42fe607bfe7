"""CloudWatch of the local AWS emulator: metrics by the minute, and alarms that are evaluated over them."""
