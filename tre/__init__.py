"""Hortus: a trusted research environment on one host."""

__version__ = "0.1.0"
