"""Kinds of models that people have, and what works of each of them."""
