"""The settings and records that the Hub's own process reads once, whichever part of it asks first."""

from functools import cache

from tre import settings as configuration
from tre.records.db import Records, opened
from tre.settings import Settings


@cache
def settings() -> Settings:
    """Return the choices of the house at TRE_HOME."""
    return configuration.load()


@cache
def records() -> Records:
    """Return the records of that house."""
    return opened(settings())
