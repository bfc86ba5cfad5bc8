"""Mediqon: the real-time queue server of a clinic."""

__version__ = "0.1.0"
