"""The line, now."""
