"""Explanations: what a sample looks like, where, and why this class and not that."""

from sklearn_kmex.explain._relevance import black_box_relevance, relevance

__all__ = ["black_box_relevance", "relevance"]
