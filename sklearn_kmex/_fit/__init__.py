"""How prototypes are found."""
