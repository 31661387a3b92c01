"""How prototypes decide in the paper, for benchmarks that are not about the choice."""

RULE = {
    "metric": "euclidean",
    "similarity": "log",
    "aggregation": "max",
    "priors": "uniform",
}
