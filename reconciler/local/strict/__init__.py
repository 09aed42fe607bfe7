"""The strict layer: what AWS refuses or does, where moto is lenient. Mended here and nowhere else.

Each rule names the page of AWS's documentation that it is taken from; what the product happens to send is no source.
"""

from reconciler.local.strict.layer import after, before

__all__ = ["after", "before"]
