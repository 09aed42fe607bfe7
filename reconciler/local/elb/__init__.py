"""Elastic Load Balancing v2, application and network load balancers: what the API keeps, refuses and answers."""
