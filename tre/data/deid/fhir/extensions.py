"""An extension is known by its address, or it is dropped; one that changes the meaning of the rest holds it back."""

from collections.abc import Callable, Mapping

from tre.data.deid.fhir.at import Action, At, HeldBack, Json, dropped

Rule = tuple[str, Action]
"""The key of the value, and what is done to it."""

PLAN_VALUES = {
    "valueCoding": "Coding", "valueCodeableConcept": "CodeableConcept", "valueBoolean": "keep boolean",
    "valueInteger": "keep integer", "valueDecimal": "keep number", "valueQuantity": "Quantity", "valueDate": "date",
    "valueDateTime": "dateTime", "valueReference": "reference",
}  # fmt: skip
"""What may stand in an extension that the plan allows: values that can be judged by themselves."""


class Extensions:
    """Those of the rules and those of the plan."""

    def __init__(self) -> None:
        """Know none yet: an extension's value may be a concept, and a concept may have extensions."""
        self._known: dict[str, Mapping[str, Rule]] = {}

    def learn(
        self, table: Mapping[str, Mapping[str, str]], more: tuple[str, ...], one: Callable[[str], Action]
    ) -> None:
        """Take the tables; `one` turns words into an action."""
        any_value = {f"*{key}": (key, one(said)) for key, said in PLAN_VALUES.items()}
        self._known.update(dict.fromkeys(more, any_value))
        for url, parts in table.items():
            split = {name: said.partition(" ") for name, said in parts.items()}
            self._known[url] = {name: (key, one(rest)) for name, (key, _, rest) in split.items()}

    def all(self, value: Json, at: At) -> Json:
        """Walk a list of extensions."""
        if type(value) is not list:
            return dropped(at)
        return [made for one in value if (made := self._one(one, at)) is not None] or None

    def modifiers(self, value: Json, at: At) -> Json:
        """Hold the record back unless each of these is known."""
        made = self.all(value, at)
        if value and (made is None or len(made) != len(value)):
            raise HeldBack("an extension that changes the meaning of the rest, and is not known")
        return made

    def _one(self, value: Json, at: At) -> Json:
        url = value.get("url") if type(value) is dict else None
        parts = self._known.get(url) if type(url) is str else None
        made = _value(value, parts, at) if parts is not None else None
        if made is None:
            return dropped(at)
        at.counts["extension"] += 1
        return {"url": url, **made}


def _value(value: Json, parts: Mapping[str, Rule], at: At) -> Json:
    if "" in parts:
        return _simple(value, parts[""], at)
    if "extension" in value and not any(name.startswith("*") for name in parts):
        return _nested(value["extension"], parts, at)
    rule = next((rule for name, rule in parts.items() if name.startswith("*") and rule[0] in value), None)
    return _simple(value, rule, at) if rule is not None else None


def _simple(value: Json, rule: Rule, at: At) -> Json:
    key, action = rule
    made = action(value.get(key), at)
    return None if made is None else {key: made}


def _nested(inner: Json, parts: Mapping[str, Rule], at: At) -> Json:
    made = []
    for one in inner if type(inner) is list else ():
        name = one.get("url") if type(one) is dict else None
        rule = parts.get(name) if type(name) is str else None
        kept = _simple(one, rule, at) if rule is not None else dropped(at)
        if kept is not None:
            made.append({"url": name, **kept})
    return {"extension": made} if made else None
