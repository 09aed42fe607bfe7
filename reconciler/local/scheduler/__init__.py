"""The ECS scheduler: a control loop that starts, registers, watches, drains and stops tasks as services ask for."""
