"""Keeps an AWS ECS account equal to a folder of YAML."""

__version__ = "0.1.0"
