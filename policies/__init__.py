"""The data access committee's rules as code. Imports nothing of ours; touches no database and no network."""

from policies.engine import Decision, Rules, decide, rules

__all__ = ["Decision", "Rules", "decide", "rules"]
