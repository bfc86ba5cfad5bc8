"""What changed, to whoever is looking."""
