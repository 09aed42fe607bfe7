"""Elastic Container Service on Fargate: what the API keeps, refuses and answers."""
