"""Promises about the future."""
