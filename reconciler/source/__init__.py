"""Sources of specs: a watched folder, or a branch of a Git repository."""
