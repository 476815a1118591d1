"""What left, told in the words that other research environments read: an RO-Crate 1.2 in the Five Safes profile.

The profile wants who asked for whom, a run, and an action for each check and sign-off; here the run is the work in the
project's room. It is metadata for people and their tools: what holds is the certificate beside it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CONTEXT = "https://w3id.org/ro/crate/1.2/context"
RO_CRATE = "https://w3id.org/ro/crate/1.2"
FIVE_SAFES = "https://w3id.org/5s-crate/0.4"
WORKFLOW = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
SHA_256 = "https://www.iana.org/assignments/named-information#sha-256"
DONE = "http://schema.org/CompletedActionStatus"
MEDIA = {
    "csv": "text/csv",
    "json": "application/json",
    "txt": "text/plain",
    "md": "text/markdown",
    "png": "image/png",
    "ipynb": "application/x-ipynb+json",
}

Entity = dict[str, Any]


@dataclass(frozen=True)
class Around:
    """What the crate tells beside the certificate's statement."""

    house: str
    """Address of the research environment."""
    title: str
    """Of the project."""
    names: Mapping[str, str]
    """Account -> name of each person who is told of."""
    institutions: Mapping[str, str]
    """Account -> ROR id of their organisation, of those of whom it is vouched for."""
    datasets: tuple[str, ...]
    """What the project may use, as `name/version`."""


def write(statement: Mapping[str, Any], around: Around) -> bytes:
    """Return the metadata file of a release."""
    graph = [*_top(statement, around), *_files(statement), *_people(statement, around), *_acts(statement, around)]
    whole = {"@context": CONTEXT, "@graph": [_plain(entity) for entity in graph]}
    return json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _plain(entity: Entity) -> Entity:
    """Write a list of one as the one, and none as nothing: so RO-Crate 1.2 wants it."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
        if value != []
    }


def _ref(to: str) -> Entity:
    return {"@id": to}


def _data(name: str) -> str:
    return f"#data-{name.replace('/', '-')}"


def _refs(entities: Iterator[Entity]) -> list[Entity]:
    return [_ref(entity["@id"]) for entity in entities]


def _top(said: Mapping[str, Any], around: Around) -> Iterator[Entity]:
    name = f"Release of export request {said['request']}, round {said['round']}, of project {said['project']}"
    yield {
        "@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": _ref("./"), "conformsTo": _ref(RO_CRATE),
    }  # fmt: skip
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": "Results that left a trusted research environment, checked and approved for disclosure.",
        "conformsTo": _ref(FIVE_SAFES),
        "datePublished": said["released_at"],
        "publisher": _ref(around.house),
        "license": _ref("#conditions"),
        "sourceOrganization": _ref("#project"),
        "mainEntity": _ref("#work"),
        "hasPart": _refs(_files(said)),
        "mentions": _refs(_acts(said, around)),
    }
    yield {"@id": FIVE_SAFES, "@type": ["CreativeWork", "Profile"], "name": "Five Safes RO-Crate profile"}
    yield {
        "@id": "#conditions", "@type": "CreativeWork", "name": "Conditions of the project's approval",
        "description": "The files may be used as the approval of the project says.",
    }  # fmt: skip
    yield {
        "@id": "#work", "@type": "Dataset", "conformsTo": _ref(WORKFLOW),
        "name": "Work in the project's room",
        "description": "Interactive analysis; what is kept of it are the files and how their numbers were made.",
    }  # fmt: skip
    yield {"@id": SHA_256, "@type": "DefinedTerm", "name": "sha-256 algorithm"}
    yield {"@id": "#rules", "@type": "CreativeWork", "name": f"Rules of the house, policy {said['policy_sha256']}"}


def _files(said: Mapping[str, Any]) -> Iterator[Entity]:
    for file in said["files"]:
        yield {
            "@id": f"files/{file['name']}".replace("%", "%25").replace(" ", "%20"),
            "@type": "File",
            "name": file["name"],
            "description": file["context"] or f"A result of project {said['project']}",
            "encodingFormat": MEDIA.get(file["kind"], "application/octet-stream"),
            "contentSize": str(file["size"]),
            "sha256": file["sha256"],
        }
    for name, what in (
        ("disclosure-record.json", "Criteria of disclosure control that were applied"),
        ("certificate.json", "Signed statement of what left and why it could"),
    ):
        yield {
            "@id": name, "@type": "File", "name": name, "description": what, "encodingFormat": "application/json",
        }  # fmt: skip


def _people(said: Mapping[str, Any], around: Around) -> Iterator[Entity]:
    yield {
        "@id": around.house,
        "@type": "Organization",
        "name": "The trusted research environment",
        "url": around.house,
    }
    yield {
        "@id": "#airlock", "@type": "SoftwareApplication", "name": "The airlock's checks",
        "version": said["software"], "provider": _ref(around.house), "url": around.house,
    }  # fmt: skip
    homes = {name: f"https://ror.org/{ror.rpartition('/')[2]}" for name, ror in around.institutions.items()}
    yield {
        "@id": "#project", "@type": "Project", "name": around.title, "identifier": _ref("#project-name"),
        **({"member": [_ref(ror) for ror in sorted(set(homes.values()))]} if homes else {}),
    }  # fmt: skip
    yield {"@id": "#project-name", "@type": "PropertyValue", "name": around.house, "value": said["project"]}
    for name in sorted(around.names):
        yield {
            "@id": f"#{name}", "@type": "Person", "name": around.names[name],
            "affiliation": _ref(homes.get(name, around.house)),
            **({"memberOf": _ref("#project")} if name == said["requester"] else {}),
        }  # fmt: skip
    yield from ({"@id": ror, "@type": "Organization", "name": ror, "url": ror} for ror in sorted(set(homes.values())))
    for name in around.datasets:
        yield {
            "@id": _data(name), "@type": "DigitalDocument", "name": f"Pseudonymised dataset {name}",
            "hasDigitalDocumentPermission": _ref("#permission"),
        }  # fmt: skip
    yield {
        "@id": "#permission", "@type": "DigitalDocumentPermission", "grantee": _ref("#project"),
        "permissionType": "http://schema.org/ReadPermission", "name": "The project may read it, in its rooms",
    }  # fmt: skip


def _acts(said: Mapping[str, Any], around: Around) -> Iterator[Entity]:
    number, at = f"{said['request']}-{said['round']}", said["released_at"]
    results = [_ref(entity["@id"]) for entity in _files(said)][: len(said["files"])]
    yield {
        "@id": f"#made-{number}", "@type": "CreateAction", "actionStatus": DONE, "endTime": said["submitted_at"],
        "name": f"Results made in project {said['project']} by {said['requester']}",
        "agent": _ref(f"#{said['requester']}"), "instrument": _ref("#work"), "result": results,
        "object": [_ref(_data(name)) for name in around.datasets],
    }  # fmt: skip
    yield _assessed(
        f"#hashes-{number}", "CheckValue", "Hashes of all files, made again at the release: as approved", at,
        agent="#airlock", instrument=SHA_256,
    )  # fmt: skip
    yield _assessed(
        f"#allowed-{number}", "SignOff", "Release asked of the rules of the house: allowed", at,
        agent="#airlock", instrument="#rules", also=("#work", "#project"),
    )  # fmt: skip
    yield _assessed(
        f"#checked-{number}", "DisclosureCheck", "Disclosure checks of the airlock: passed", said["checked_at"],
        agent="#airlock", instrument="#rules",
    )  # fmt: skip
    for approver, when in sorted(_approvals(said).items()):
        yield _assessed(
            f"#approved-{number}-{approver}", "DisclosureCheck", f"Disclosure check by {approver}: approved", when,
            agent=f"#{approver}", instrument="#rules",
        )  # fmt: skip


def _approvals(said: Mapping[str, Any]) -> dict[str, str]:
    return {
        vote["approver"]: vote["at"] for file in said["files"] for vote in file["votes"] if vote["verdict"] == "approve"
    }


def _assessed(
    name: str, what: str, says: str, at: str, *, agent: str, instrument: str, also: tuple[str, ...] = ()
) -> Entity:
    return {
        "@id": name, "@type": "AssessAction", "additionalType": _ref(f"https://w3id.org/shp#{what}"), "name": says,
        "endTime": at, "startTime": at, "actionStatus": DONE, "agent": _ref(agent), "instrument": _ref(instrument),
        "object": [_ref("./"), *map(_ref, also)],
    }  # fmt: skip
