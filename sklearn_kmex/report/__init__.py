"""Reports: what a reviewer reads about a model, in one file."""

from sklearn_kmex.report._report import SEMReport

__all__ = ["SEMReport"]
