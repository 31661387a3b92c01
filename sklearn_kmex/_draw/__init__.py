"""Pictures, figures and small HTML."""
