"""Finding prototypes: k-means on each class, their number, temperature, streams."""
