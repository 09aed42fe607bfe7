"""Lease of a stack, the store that holds it, and the fence that checks writes against it."""
