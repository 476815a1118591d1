"""Whether something may be done now, and every reason why not.

Cedar skips a rule that fails to evaluate, and would then allow. So: the schema goes with every question, facts are
parsed against it, and any error, any answer that is not a clear yes, and any ask that does not fit is a no (E00).
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

import cedarpy

from policies import book, facts, translate
from policies.book import NO_PERMIT, POLICY_ERROR, Numbers, Rule

Policy = dict[str, Any]  # one policy in Cedar's JSON; its shape is Cedar's


class RulesUnfit(ValueError):
    """The rules contradict themselves, the schema or `rules.toml`: nothing is decided by them."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A yes, or a no with all its reasons."""

    allowed: bool
    rules: tuple[str, ...] = ()
    """Ids of the rules that said no, in order."""
    remedies: tuple[str, ...] = ()
    """What to do about each, in the same order."""
    errors: tuple[str, ...] = ()
    """What went wrong in judging; for admins."""
    policy_hash: str
    """SHA-256 (hex) of everything the decision rests on."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """All rules, parsed once. Never changed: other rules are another object."""

    book: Mapping[str, Rule]
    courses: Mapping[str, tuple[str, ...]]
    """Moment -> the courses that whoever acts at it must have."""
    by_role: Mapping[str, tuple[str, ...]]
    """Role -> the courses that it demands."""
    committee: Numbers
    parts: tuple[str, ...]
    """Every statement at every moment it speaks of, as `R06.2@mount`."""
    policy_hash: str
    _statements: Mapping[str, Policy]
    _policies: Mapping[str, cedarpy.PolicySet]
    """Moment -> the statements that speak at it; Cedar is not asked about the others, which could say nothing."""
    _schema: cedarpy.Schema

    @classmethod
    def load(cls, without: Collection[str] = ()) -> "Rules":
        """Read and validate the rules of the package, or refuse."""
        return cls.of(book.bundle(), without)

    @classmethod
    def of(cls, files: Mapping[str, str], without: Collection[str] = ()) -> "Rules":
        """Validate rules given as texts by name (see `bundle`), or refuse: RulesUnfit says why in one line."""
        _named(files)
        schema = book.SCHEMA.read_text("utf-8")
        statements = _statements(files)
        _validate(str(_set(statements)), schema)
        with _reading("rules.toml"):
            rules = book.book(files["rules.toml"])
        with _reading("trainings.toml"):
            courses, by_role = book.courses(files["trainings.toml"]), book.by_role(files["trainings.toml"])
        with _reading("committee.toml"):
            numbers = book.committee(files["committee.toml"])
        _complete(statements, rules)
        whole = cls(
            book=rules,
            courses=courses,
            by_role=by_role,
            committee=numbers,
            parts=tuple(f"{key}@{verb}" for key, policy in statements.items() for verb in _verbs(policy)),
            policy_hash=_hash(files, schema),
            _statements=statements,
            _policies=_by_moment(statements),
            _schema=cedarpy.Schema.from_str(schema),
        )
        return whole.less(without) if without else whole

    def less(self, without: Collection[str]) -> "Rules":
        """Leave out some of `parts`, or all of one rule id: to see whether it is missed."""
        _known(without, self.parts)
        left = {key: cut for key, policy in self._statements.items() if (cut := _cut(key, policy, without))}
        said = "\nwithout ".join([self.policy_hash, *sorted(without)])
        return replace(
            self,
            policy_hash=sha256(said.encode()).hexdigest(),
            _statements=left,
            _policies=_by_moment(left),
        )

    def decide(self, ask: facts.Ask) -> Decision:
        """Judge an ask. Never raises: what cannot be judged is denied."""
        try:
            question, entities = translate.request(ask, self.courses)
            known = cedarpy.Entities.from_json_str(entities, self._schema)
            result = cedarpy.is_authorized(question, self._policies[ask.verb], known, self._schema)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            return self._no({POLICY_ERROR}, (_line(error),))
        reasons = {_rule(key) for key in result.diagnostics.reasons}
        if result.diagnostics.errors or result.decision is cedarpy.Decision.NoDecision:
            errors = tuple(result.diagnostics.errors) or ("no decision",)
            return self._no((reasons & self.book.keys()) | {POLICY_ERROR}, errors)
        if result.decision is not cedarpy.Decision.Allow:
            return self._no(reasons or {NO_PERMIT}, ())
        return Decision(allowed=True, policy_hash=self.policy_hash)

    def at(self, verb: str) -> tuple[str, ...]:
        """Ids of the rules that speak at a moment, in the order of `rules.toml`."""
        speaking = {_rule(part) for part in self.parts if part.endswith(f"@{verb}")}
        return tuple(rule for rule in self.book if rule in speaking)

    def _no(self, reasons: Collection[str], errors: tuple[str, ...]) -> Decision:
        rules = tuple(sorted(reasons))
        remedies = tuple(self.book[rule].remedy for rule in rules)
        return Decision(allowed=False, rules=rules, remedies=remedies, errors=errors, policy_hash=self.policy_hash)


@cache
def rules() -> Rules:
    """Return the rules in force, read when the process asks first; a process with other rules is another process."""
    return Rules.load()


def decide(ask: facts.Ask) -> Decision:
    """Judge an ask by the rules in force."""
    return rules().decide(ask)


def bundle() -> dict[str, str]:
    """Return the rules that come with the package, as `Rules.of` takes them."""
    return book.bundle()


def _named(files: Mapping[str, str]) -> None:
    """Take no file that nobody reads: who adopts it would think that it holds."""
    needed = {book.RULES.name, book.TRAININGS.name, book.COMMITTEE.name}
    odd = [name for name in files if name not in needed and not re.fullmatch(r"cedar/[a-z_-]+\.cedar", name)]
    if odd or not needed <= files.keys():
        wrong = ", ".join(sorted(odd) or sorted(needed - files.keys()))
        raise RulesUnfit(f"rules are cedar/*.cedar, {_listed(needed)}; {'not' if odd else 'no'} {wrong}")


def _listed(names: Collection[str]) -> str:
    *first, last = sorted(names)
    return f"{', '.join(first)} and {last}"


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say in which file the fault is."""
    try:
        yield
    except RulesUnfit:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RulesUnfit(f"{name}: {_line(error)}") from error


def _statements(files: Mapping[str, str]) -> dict[str, Policy]:
    """Every statement under a key that says which rule it belongs to: `R06.1`, `R06.2`, `may_mount.1`."""
    found: dict[str, Policy] = {}
    for file in sorted(name for name in files if name.startswith("cedar/")):
        with _reading(file):
            policies = tuple(_parsed(files[file]))
        for policy in policies:
            name = policy.get("annotations", {}).get("id") or ""
            if not name:
                raise RulesUnfit(f"{file}: a statement without @id")
            nth = 1 + sum(_rule(key) == name for key in found)
            found[f"{name}.{nth}"] = policy
    return found


def _parsed(text: str) -> Iterator[Policy]:
    """Yield the statements of one file in its order; Cedar names them policy0, policy1, ..."""
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    if parsed.get("templates"):
        raise RulesUnfit("a statement with a ?slot, which nobody fills")
    static = parsed["staticPolicies"]
    for key in sorted(static, key=lambda key: int(key.removeprefix("policy"))):
        yield static[key]


def _verbs(policy: Policy) -> tuple[str, ...]:
    """Moments that a statement speaks of."""
    scope = policy["action"]
    if scope["op"] == "All":
        return tuple(facts.MOMENTS)
    listed = scope.get("entities") or [scope["entity"]]
    return tuple(action["id"] for action in listed)


def _cut(key: str, policy: Policy, without: Collection[str]) -> Policy | None:
    """Leave a statement silent at some of its moments; None if it speaks at none."""
    if _rule(key) in without:
        return None
    verbs = [verb for verb in _verbs(policy) if f"{key}@{verb}" not in without]
    actions = [{"type": "Action", "id": verb} for verb in verbs]
    if len(verbs) == len(_verbs(policy)):
        return policy
    return policy | {"action": {"op": "in", "entities": actions}} if verbs else None


def _known(without: Collection[str], parts: Collection[str]) -> None:
    """Refuse to leave out what is not there: a gate that did would prove nothing."""
    if odd := set(without) - set(parts) - {_rule(part) for part in parts}:
        raise RulesUnfit(f"no such rule to leave out: {', '.join(sorted(odd))}")


def _set(policies: Mapping[str, Policy]) -> cedarpy.PolicySet:
    whole = {"templates": {}, "staticPolicies": dict(policies), "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(whole))


def _by_moment(policies: Mapping[str, Policy]) -> dict[str, cedarpy.PolicySet]:
    return {
        verb: _set({key: policy for key, policy in policies.items() if verb in _verbs(policy)})
        for verb in facts.MOMENTS
    }


def _rule(key: str) -> str:
    return key.partition(".")[0]


def _validate(policies: str, schema: str) -> None:
    """Strictly: no attribute that may be missing, no type that may be another."""
    result = cedarpy.validate_policies(policies, schema)
    if not result.validation_passed:
        raise RulesUnfit("; ".join(str(error) for error in result.errors) or "the rules do not fit the schema")


def _complete(policies: Mapping[str, Policy], rows: Mapping[str, Rule]) -> None:
    """Each moment has its one permit, each forbid its row, each row its forbid; and a statement names moments alone."""
    if odd := {verb for policy in policies.values() for verb in _verbs(policy)} - facts.MOMENTS.keys():
        raise RulesUnfit(f"no such moment: {', '.join(sorted(odd))}")
    permits = sorted(key for key, policy in policies.items() if policy["effect"] == "permit")
    if permits != sorted(f"may_{verb}.1" for verb in facts.MOMENTS):
        raise RulesUnfit("each moment has one permit, named may_<moment>")
    forbids = {_rule(key) for key, policy in policies.items() if policy["effect"] == "forbid"}
    if odd := forbids ^ (rows.keys() - {POLICY_ERROR, NO_PERMIT}):
        raise RulesUnfit(f"in rules.toml or in cedar, not in both: {', '.join(sorted(odd))}")
    if missing := {POLICY_ERROR, NO_PERMIT} - rows.keys():
        raise RulesUnfit(f"not in rules.toml: {', '.join(sorted(missing))}")


def _hash(files: Mapping[str, str], schema: str) -> str:
    """Over every text the rules consist of, each with its name and length."""
    digest = sha256()
    for name, text in sorted({**files, book.SCHEMA.name: schema}.items()):
        content = text.encode()
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
