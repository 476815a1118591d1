"""Ask roc-validator about a crate, in its own environment: python roc.py FOLDER. It fetches nothing.

The terms are given to it as RO-Crate's context has those that we use: schema.org's, but for these.
"""

import json
import sys
from pathlib import Path

import requests
import requests_cache

ELSEWHERE = {
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "Profile": "http://www.w3.org/ns/dx/prof/Profile",
}


def main(folder: Path) -> None:
    context = json.dumps({"@context": terms(folder)}).encode()

    def answer(_session, _method, url, *_args, **_words):
        said = requests.Response()
        said.url, said.status_code, said.from_cache = url, 404, False
        if url == "https://w3id.org/ro/crate/1.2/context":
            said.status_code, said._content = 200, context
            said.headers["Content-Type"] = "application/ld+json"
        return said

    requests.Session.request = requests_cache.CachedSession.request = answer
    from rocrate_validator import models, services

    chosen = services.ValidationSettings(
        rocrate_uri=str(folder), profile_identifier="ro-crate-1.2", requirement_severity=models.Severity.REQUIRED
    )
    found = services.validate(chosen)
    print(json.dumps({"passed": found.passed(), "issues": [issue.message for issue in found.get_issues()]}))


def terms(folder: Path) -> dict[str, str]:
    graph = json.loads((folder / "ro-crate-metadata.json").read_text("utf-8"))["@graph"]
    names = {name for entity in graph for name in entity if not name.startswith("@")}
    names |= {
        name for entity in graph for name in ([entity["@type"]], entity["@type"])[isinstance(entity["@type"], list)]
    }
    return {name: f"http://schema.org/{name}" for name in names} | ELSEWHERE


if __name__ == "__main__":
    main(Path(sys.argv[1]))
