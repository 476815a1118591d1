"""A resource is walked once along the paths that are allowed; what stands beside them is not even looked at.

The table of paths is turned into functions before the first resource comes: an action takes a value and returns what
may be seen of it, or None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tre.data.deid.fhir import actions
from tre.data.deid.fhir.at import Action, At, HeldBack, Json, dropped
from tre.data.deid.fhir.coded import Coded, judged
from tre.data.deid.fhir.codes import Codes
from tre.data.deid.fhir.extensions import Extensions
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.fhir.rules import Rules, Tree

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MASKED = {"extension": [{"url": ABSENT, "valueCode": "masked"}]}
MISSING = "an element that is needed is missing, or has no value that is known"
_OPENING = ("CodeableConcept", "Coding")  # of actions whose loss can be masked


class Walker:
    """The table of paths as functions."""

    def __init__(self, rules: Rules, part: Fhir, codes: Codes) -> None:
        """Turn every tree into a function."""
        self._part, self._ages = part, frozenset(rules.codes["ages"]["loinc"])  # type: ignore[call-overload] # our own table
        self._extensions = Extensions()
        coded = Coded(codes, self._extensions.all)
        self.day = actions.day(part.dates, whole=True)
        self._types: dict[str, Action] = {
            "Coding": coded.coding,
            "CodeableConcept": coded.concept,
            "Quantity": coded.quantity,
            "age": coded.age,
            "address": actions.address(rules.codes["places"]),
            "identifier": actions.identifier,
            "owner": actions.owner,
            "date": self.day,
            "dateTime": actions.day(part.dates),
            "instant": actions.day(part.dates, instant=True),
            "birth": lambda _value, _at: None,  # written when the last word on the person is known
            "masked": lambda _value, _at: "masked",
            "uid": actions.uid,
            "text": actions.text,
        }
        self._extensions.learn(rules.extensions, part.extensions, self._one)
        for name, tree in rules.types.items():  # one that stands above may be named below
            self._types[name] = self._object(tree)
        self.resources = {name: self._object(one.tree, whole=True) for name, one in rules.resources.items()}

    def _object(self, tree: Tree, *, whole: bool = False) -> Action:
        fields = {name: actions.many(step.list, self._action(below)) for name, (step, below) in tree.below.items()}
        fields["extension"] = self._extensions.all
        fields["modifierExtension"] = self._extensions.modifiers
        if whole:  # what `record` writes itself
            written = dict.fromkeys(("resourceType", "id", "meta", "language", "contained"))
        walk = _walk({**fields, **written} if whole else fields, _needs(tree), whole=whole)
        if "code" in fields and "valueString" in fields:
            return judged(walk, frozenset(self._part.texts), self._ages)
        return walk

    def _action(self, tree: Tree) -> Action:
        if tree.below:
            return self._object(tree)
        ways = [self._one(word.strip()) for word in tree.action.split(" | ")]
        return ways[0] if len(ways) == 1 else actions.either(ways, tree.action)

    def _one(self, said: str) -> Action:
        verb, _, rest = said.partition(" ")
        if verb == "keep":
            return actions.KEEPS[rest]
        if verb == "word":
            return actions.word(frozenset(rest.split()))
        if verb == "reference":
            return actions.reference(frozenset(rest.split()), self._part)
        return self._types[verb]


@dataclass(frozen=True)
class _Needs:
    """What an object must have: single elements, and groups of which one."""

    singles: frozenset[str]
    groups: tuple[tuple[str, ...], ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict)
    """Element -> `concept`, `list`, `reference`, `word` or `owner`, where its loss can be made good."""


def _needs(tree: Tree) -> _Needs:
    groups: dict[str, list[str]] = {}
    masks: dict[str, str] = {}
    for name, (step, below) in tree.below.items():
        if step.needed:
            groups.setdefault(step.needed, []).append(name)
            mask = _mask(step.list, below.action)
            if mask:
                masks[name] = mask
    several = tuple(tuple(names) for names in groups.values() if len(names) > 1)
    return _Needs(frozenset(names[0] for names in groups.values() if len(names) == 1), several, masks)


def _mask(many: str, action: str) -> str:
    """Say how the loss of something is made good: a concept is masked, the owner is known."""
    if action == "owner":
        return "owner"
    if action == "masked":
        return "word"
    if action == "CodeableReference":
        return "reference"
    if action.startswith(_OPENING):
        return "list" if many == "[]" else "concept"
    return ""


def _lost(_value: Json, _at: At) -> Json:
    """Stand for every element that is not in the table."""


def _walk(fields: Mapping[str, Action | None], needs: _Needs, *, whole: bool) -> Action:
    """Return the function that goes through one object."""
    find = fields.get
    singles = needs.singles
    some = bool(singles or needs.groups)

    def act(value: Json, at: At) -> Json:
        if type(value) is not dict:
            return dropped(at)
        made, lost = {}, 0
        for key, inner in value.items():
            action = find(key, _lost)
            if action is _lost:
                lost += 1
            elif action is not None and (kept := action(inner, at)) is not None:
                made[key] = kept
        if lost:
            at.counts["drop"] += lost
        if some and not (singles.issubset(made) and not needs.groups) and not _complete(made, value, needs, at):
            if whole:
                raise HeldBack(MISSING)
            return None
        return made if whole else made or None

    return act


def _complete(made: dict[str, Json], value: Mapping[str, Json], needs: _Needs, at: At) -> bool:
    """Write what was lost as masked, as far as that can be."""
    lost: list[tuple[str, ...]] = [(name,) for name in sorted(needs.singles) if name not in made]
    lost += [names for names in needs.groups if made.keys().isdisjoint(names)]
    return all(_masked(made, value, names, needs.masks, at) for names in lost)


def _masked(
    made: dict[str, Json], value: Mapping[str, Json], names: tuple[str, ...], masks: Mapping[str, str], at: At
) -> bool:
    can = [name for name in names if name in masks]
    if not can:
        return False
    name = next((name for name in can if name in value), can[0])
    how = "list" if masks[name] == "concept" and type(value.get(name)) is list else masks[name]
    if how == "owner":
        made[name] = actions.owner(None, at)
        return at.person is not None
    made[name] = {"concept": MASKED, "list": [MASKED], "reference": {"concept": MASKED}, "word": "masked"}[how]
    return True
