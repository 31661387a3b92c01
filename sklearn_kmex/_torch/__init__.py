"""All code that imports torch."""
