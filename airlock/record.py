"""The criteria of disclosure control that a release was held against, as a machine reads them (SATRE 3.3.09).

It names the released files by their hashes, goes with them, and stays in the records for as long as the request.
"""

import json
from collections.abc import Mapping
from typing import Any

FORMAT = "hortus-disclosure-record/1"


def write(statement: Mapping[str, Any], rules: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return the record of a release; `rules` are the rules of disclosure control by their ids."""
    thresholds = dict(statement["checks"].get("thresholds", {}))
    sources, verified = thresholds.pop("source", {}), thresholds.pop("verified", {})
    whole = {
        "format": FORMAT,
        "request": statement["request"],
        "round": statement["round"],
        "project": statement["project"],
        "released_at": statement["released_at"],
        "profile": thresholds.pop("profile", ""),
        "thresholds": {
            name: {"value": value, "source": sources.get(name, ""), "verified": verified.get(name, False)}
            for name, value in thresholds.items()
        },
        "rules": {name: dict(rule) for name, rule in rules.items()},
        "risk_appetite": _appetite(statement),
        "tools": {"hortus-tre": statement["software"], "checks": statement["checks"].get("version")},
        "policy_sha256": statement["policy_sha256"],
        "outputs": [_output(file) for file in statement["files"]],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _appetite(statement: Mapping[str, Any]) -> dict[str, object]:
    """Say how much is left to people, in this release: what the machine would not have let go, and who let it."""
    excepted = [one for file in statement["files"] for one in file["exceptions"]]
    return {
        "approvals_needed": 2,
        "approvers_see_each_other": False,
        "blocking_findings_released_by_exception": len(excepted),
        "a_check_that_did_not_run": "blocks",
    }


def _output(file: Mapping[str, Any]) -> dict[str, object]:
    return {
        "name": file["name"],
        "sha256": file["sha256"],
        "submitted_sha256": file["submitted"]["sha256"],
        "checks": file["checks"],
        "findings": file["findings"],
        "exceptions": file["exceptions"],
        "controls": file["controls"],
        "made": file["made"],
    }
