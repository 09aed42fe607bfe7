"""Show the changes that `apply` would make; the same as `diff`."""

import copy

from reconciler.cli.commands.diff import diff

plan = copy.copy(diff)
plan.name = "plan"
