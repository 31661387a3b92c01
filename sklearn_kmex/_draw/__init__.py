"""Figures, pictures and tables."""
