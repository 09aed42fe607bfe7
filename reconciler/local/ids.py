"""Identifiers as AWS makes them, from one seeded source: the same calls in the same order give the same names."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Ids:
    random: random.Random = field(default_factory=lambda: random.Random(0))

    def hexadecimal(self, length: int) -> str:
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def digits(self, length: int) -> str:
        return str(self.random.randrange(10 ** (length - 1), 10**length))

    def uuid(self) -> str:
        text = self.hexadecimal(32)
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def letters(self, length: int) -> str:
        return "".join(self.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=length))
