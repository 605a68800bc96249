"""What the machine at hand needs for the parts of a search."""
