"""Elastic Load Balancing v2, application load balancers: what the API keeps, refuses and answers."""
