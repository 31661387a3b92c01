"""A fitted model: its similarities, its nearest prototypes, its steps and decisions."""
