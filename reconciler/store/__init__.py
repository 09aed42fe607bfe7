"""Who may write to a stack: its lease, where it is kept, and the fence that holds writes against it."""
