"""Explanations: what a sample looks like, where, and why this class and not that."""

__all__: list[str] = []
