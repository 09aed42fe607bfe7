"""The load balancers of the local AWS emulator: listeners that really forward, in a process of their own.

front.py      this side: sockets, table, the process and its successor
channel.py    what the two sides say to each other
process.py    the other side: its event loop
connection.py a client's connection to a network load balancer
downstream.py a client's connection    exchange.py one request    relay.py one attempt    upstream.py a target's
rules.py choice.py answers.py table.py what is decided, without any I/O
"""

from reconciler.local.balancer.front import Balancer

__all__ = ["Balancer"]
