"""What one preparing came to: which files, by which rules, from what; and its label in the words of the standards."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from tre.data import withdrawals
from tre.data.assessing import Report
from tre.data.deid import label as labels
from tre.data.deid.label import Label
from tre.data.deid.plan import Plan
from tre.data.deid.stored import Summary
from tre.data.making import Order


def labelled(plan: Plan, data: Path) -> Label:
    """Lay the label into the extract, for people and for machines."""
    found = labels.of(plan)
    (data / "LABEL.md").write_text(labels.markdown(found), encoding="utf-8")
    (data / "label.json").write_text(found.to_json() + "\n", encoding="utf-8")
    return found


@dataclass(frozen=True)
class Made:
    """An extract that has no place yet."""

    order: Order
    folder: Path
    report: Report
    tables: list[dict[str, object]]
    kinds: Mapping[str, Summary]
    label: Label

    @property
    def files(self) -> list[dict[str, object]]:
        """Every file: name, bytes, SHA-256; of a table of the plan also its rows, actions and what was left out."""
        known = {table["name"] for table in self.tables}
        data = self.folder / "data"
        others = sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())
        return self.tables + [_hashed(data, name) for name in others if name not in known]

    def manifest(self) -> str:
        """Say what went in, by which rules, and what came out."""
        order = self.order
        person = {table.name: table.subject for table in order.plan.tables}
        for made in self.kinds.values():
            person |= made.tables
        said = {
            "dataset_index": order.manifest.index,
            "epoch": order.epoch,
            "files": self.files,
            "groups": list(order.groups),
            "kinds": {name: _counted(made) for name, made in self.kinds.items()},
            "label": {"profile": self.label.profile, "title": self.label.title},
            "linkage": withdrawals.scope_of(order.dataset, order.plan.linkage_name),
            "linkage_version": order.links.number if order.links else None,
            "person": person,
            "plan_sha256": order.manifest.plan_sha256,
            "version": order.version,
        }
        return json.dumps(said, sort_keys=True)


def _counted(made: Summary) -> dict[str, object]:
    return {
        "records": made.records,
        "persons": len(made.persons),
        "actions": dict(made.counts),
        "held": dict(made.held),
        "rules": made.rules,
    }


def _hashed(data: Path, name: str) -> dict[str, object]:
    with (data / name).open("rb") as file:
        return {"name": name, "bytes": (data / name).stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}
