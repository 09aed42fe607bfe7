"""Where specs come from: a folder that is watched, or a branch of a Git repository."""
