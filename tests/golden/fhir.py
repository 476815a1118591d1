"""What the hospital's FHIR server gives: a bulk export by type (one gzipped), a Bundle, and one resource of R5."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from tests.golden import people, tables
from tests.golden.key import Answer, Key, Page
from tests.golden.people import Old, Somebody

MRN, NHS = "https://ehr.example/mrn", "https://fhir.nhs.uk/Id/nhs-number"
BASE = "https://ehr.example/fhir"
IN_BUNDLE = range(52, 57)
"""Who comes in the Bundle, with urn:uuid references."""
R5 = 59
SNOMED, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
DOCTOR = "Oskar Nebelung"


def write(folder: Path, everybody: tuple[Somebody, ...], stranger: Somebody, key: Key) -> None:
    """Write fhir/."""
    (folder / "fhir").mkdir()
    bulk = [one for one in (*everybody, stranger) if one.number not in IN_BUNDLE]
    for kind, of in KINDS.items():
        name = f"fhir/{kind}.ndjson" + (".gz" if kind == "Observation" else "")
        lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for one in bulk for each in of(one, name, key))
        text = lines.encode()
        (folder / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)
    doctor = {"resourceType": "Practitioner", "id": "dr-1", "name": [{"family": "Nebelung", "given": ["Oskar"]}]}
    (folder / "fhir/Practitioner.ndjson").write_text(json.dumps(doctor) + "\n", "utf-8")
    key.plant("Nebelung", "name of a doctor")
    bundle = [everybody[number] for number in IN_BUNDLE]
    (folder / "fhir/bundle.json").write_text(json.dumps(_bundle(bundle, key), indent=1), "utf-8")
    (folder / "fhir/r5.json").write_text(json.dumps(_r5(everybody[R5], key), indent=1), "utf-8")


# --- one function a type: each yields resources of one person -----------------------------------------------------
def _patients(one: Somebody, file: str, key: Key) -> Iterator[dict]:
    for record in (one, *one.old):
        yield _patient(one, record)
    page = key.say("fhir", file, "Patient|", one.subject)
    if one.number == people.COUNT:
        key.say("fhir", file, f"Patient|{one.fhir}", "")("id", one.fhir, Answer.HELD, trap="missing in the linkage")
        return
    page("id", one.fhir, Answer.PSEUDONYM)
    page("gender", _gender(one), Answer.KEPT)
    if one.age < 90:
        page("birthDate", one.born, Answer.YEAR, trap="partial date" if one.number == people.PARTIAL else "")
    else:
        page("birthDate", one.born.year, Answer.REMOVED, trap="age 93")
    _say_omop(key, one)
    page("extension.*.valueCode", one.sex, Answer.KEPT, trap="an extension that may stay")
    page("address.*.state", one.state, Answer.KEPT)
    page("address.*.postalCode", one.zip, Answer.GENERALISED, one.zip[:3])
    removed = ("text", one.family), ("name", one.family), ("telecom", one.phone), ("photo", "data"), ("link", "")
    for place, value in (*removed, ("contact", "name"), ("identifier", one.mrn), ("meta.source", "ehr")):
        page(place, value, Answer.REMOVED)
    page("extension.*.valueString", one.nhs, Answer.REMOVED, trap="identifier in an extension")
    page("address.*.line", one.street, Answer.REMOVED)
    page("address.*.city", "Elsewhere", Answer.REMOVED)
    if one.died:
        page("deceasedDateTime", f"{one.died}T04:05:00+01:00", Answer.SHIFTED)


def _say_omop(key: Key, one: Somebody) -> None:
    """Say what the OMOP tables should hold of a person."""
    page = key.say("omop", "fhir", "person|", one.subject)
    page("person_id", one.fhir, Answer.PSEUDONYM)
    page("person_source_value", one.fhir, Answer.PSEUDONYM)
    page("gender_concept_id", {"F": 8532, "M": 8507}[one.sex], Answer.KEPT)
    if one.age < 90:
        page("year_of_birth", one.born, Answer.YEAR)
    else:
        page("year_of_birth", one.born.year, Answer.REMOVED, trap="age 93")
    facts = {"condition_occurrence": "condition_start_date", "drug_exposure": "drug_exposure_start_date"}
    facts |= {"procedure_occurrence": "procedure_date", "visit_occurrence": "visit_start_date"}
    for table, day in facts.items():
        page = key.say("omop", "fhir", f"{table}|", one.subject)
        if not (one.number == people.PARTIAL and table == "condition_occurrence"):
            page("person_id", one.fhir, Answer.PSEUDONYM)
            page(day, one.stay.start, Answer.SHIFTED)
    page = key.say("omop", "fhir", "visit_occurrence|", one.subject)
    page("visit_end_date", one.stay.end, Answer.SHIFTED)
    for at, value in enumerate(one.stay.values):
        page = key.say("omop", "fhir", f"measurement|{value}", one.subject)
        page("person_id", one.fhir, Answer.PSEUDONYM)
        page("measurement_date", tables.taken(one, at).date(), Answer.SHIFTED)


def _patient(one: Somebody, record: Somebody | Old) -> dict:
    letter = f"{one.family}, {one.given}, {one.nhs}"
    patient = {
        "resourceType": "Patient",
        "id": record.fhir,
        "meta": {"source": f"https://ehr.example/{one.mrn}", "lastUpdated": f"{one.stay.end}T09:00:00Z"},
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{letter}</div>'},
        "extension": [
            {"url": RACE, "valueCode": one.sex},
            {"url": "https://ehr.example/wristband", "valueString": f"{one.family} {one.nhs}"},
        ],
        "identifier": [{"system": MRN, "value": record.mrn}, {"system": NHS, "value": one.nhs}],
        "active": True,
        "name": [{"use": "official", "family": one.family, "given": [one.given]}],
        "telecom": [{"system": "phone", "value": one.phone}, {"system": "email", "value": one.email}],
        "gender": _gender(one),
        "birthDate": "1960-05" if one.number == people.PARTIAL else one.born.isoformat(),
        "address": [
            {"line": [one.street], "city": "Elsewhere", "state": one.state, "postalCode": one.zip, "country": "US"}
        ],
        "photo": [{"contentType": "text/plain", "data": base64.b64encode(letter.encode("utf-16")).decode()}],
        "contact": [{"name": {"family": one.family, "given": ["Mum"]}}],
        "generalPractitioner": [{"reference": "Practitioner/dr-1", "display": DOCTOR}],
    }
    if one.died:
        patient["deceasedDateTime"] = f"{one.died}T04:05:00+01:00"
    if isinstance(record, Old):
        patient["link"] = [{"other": {"reference": f"Patient/{one.fhir}"}, "type": "replaced-by"}]
    return patient


def _observations(one: Somebody, file: str, key: Key) -> Iterator[dict]:
    for at, value in enumerate(one.stay.values):
        yield _observation(one, at, value)
        _say_observation(key.say("fhir", file, f"Observation|{value}", one.subject), one, at, value)


def _observation(one: Somebody, at: int, value: float) -> dict:
    return {
        "resourceType": "Observation",
        "id": f"e-{one.mrn}" if at == 0 else f"ob-{one.mrn}-{at}",
        "meta": {"source": f"https://ehr.example/{one.mrn}"},
        "contained": [{"resourceType": "Practitioner", "id": "p1", "name": [{"family": one.family}]}],
        "extension": [{"url": "https://ehr.example/ward", "valueString": f"bed of {one.given} {one.family}"}],
        "identifier": [{"system": "https://lab.example", "value": f"A{one.mrn}{at}"}],
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "laboratory", "display": "Laboratory"}]}],
        "code": {
            "coding": [{"system": LOINC, "code": tables.LABS[at], "display": f"for NHS {one.nhs}"}],
            "text": f"for {one.given} {one.family}",
        },
        "subject": _subject(one, at),
        "encounter": {"reference": f"Encounter/e-{one.mrn}"},
        "effectiveDateTime": _moment(one, at),
        "issued": f"{tables.taken(one, at):%Y-%m-%dT%H:%M:%S}.123Z",
        "performer": [{"reference": "#p1", "display": one.family}],
        "valueQuantity": {"value": value, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        "note": [{"text": f"{one.family} {one.given} was told", "time": _moment(one, at)}],
    }


CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def _subject(one: Somebody, at: int) -> dict:
    """Refer to the person in four ways; what was merged is referred to as it was."""
    record = (one, *one.old)[at % (1 + len(one.old))]
    ways = (
        {"reference": f"Patient/{record.fhir}", "display": f"{one.given} {one.family}"},
        {"reference": f"{BASE}/Patient/{record.fhir}/_history/2"},
        {"reference": f"Patient?identifier={MRN}|{record.mrn}"},
        {"identifier": {"system": MRN, "value": record.mrn}, "type": "Patient"},
    )
    return ways[at]


def _say_observation(page: Page, one: Somebody, at: int, value: float) -> None:
    if one.number == people.COUNT:
        page("valueQuantity.value", value, Answer.HELD, trap="missing in the linkage")
        return
    ways = "relative reference", "absolute reference", "conditional reference", "reference by identifier"
    page("subject.reference", one.fhir, Answer.PSEUDONYM, trap=ways[at])
    page("id", f"e-{one.mrn}" if at == 0 else f"ob-{one.mrn}-{at}", Answer.RENAMED)
    page("encounter.reference", f"e-{one.mrn}", Answer.RENAMED)
    page("status", "final", Answer.KEPT)
    page("category.*.coding.*.code", "laboratory", Answer.KEPT)
    page("code.coding.*.code", tables.LABS[at], Answer.KEPT)
    page("code.coding.*.system", LOINC, Answer.KEPT)
    page("valueQuantity.value", value, Answer.KEPT)
    page("valueQuantity.code", "mmol/L", Answer.KEPT)
    page("effectiveDateTime", _moment(one, at), Answer.SHIFTED)
    page("code.coding.*.display", one.nhs, Answer.REMOVED, trap="identifier in a display")
    page("contained.*.name", one.family, Answer.REMOVED, trap="name in a contained resource")
    for place, held in (("extension", one.family), ("note", one.family), ("code.text", one.family)):
        page(place, held, Answer.REMOVED)
    for place in ("identifier", "subject.display", "performer.*.display", "meta.source", "subject.identifier"):
        page(place, one.mrn, Answer.REMOVED)


def _conditions(one: Somebody, file: str, key: Key) -> Iterator[dict]:
    partial = {people.PARTIAL: "2019-07"}.get(one.number)
    onset = partial or one.stay.start.isoformat()
    yield {
        "resourceType": "Condition",
        "id": f"co-{one.mrn}",
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
        "code": {"coding": [{"system": SNOMED, "code": one.stay.condition}], "text": f"{one.family}'s trouble"},
        "subject": {"reference": f"Patient/{one.fhir}"},
        "encounter": {"reference": f"Encounter/e-{one.mrn}"},
        "onsetDateTime": onset,
    }
    if one.number == people.COUNT:
        return
    page = key.say("fhir", file, "Condition|", one.subject)
    _say_common(page, one, f"co-{one.mrn}")
    page("code.coding.*.code", one.stay.condition, Answer.KEPT)
    page("code.text", one.family, Answer.REMOVED)
    trap = "partial date" if partial else "leap day" if one.number == people.LEAP else ""
    page("onsetDateTime", onset, Answer.REMOVED if partial else Answer.SHIFTED, trap=trap)


CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def _encounters(one: Somebody, file: str, key: Key) -> Iterator[dict]:
    if one.number == R5:
        return
    yield {
        "resourceType": "Encounter",
        "id": f"e-{one.mrn}",
        "status": "finished",
        "class": {"system": ACT, "code": "IMP"},
        "subject": {"reference": f"Patient/{one.fhir}", "display": one.family},
        "participant": [{"individual": {"reference": "Practitioner/dr-1", "display": DOCTOR}}],
        "period": _period(one),
        "location": [{"location": {"display": f"bed of {one.family}"}}],
    }
    if one.number != people.COUNT:
        page = key.say("fhir", file, "Encounter|", one.subject)
        _say_common(page, one, f"e-{one.mrn}", encounter=False)
        _say_stay(page, one, "period")
        page("class.code", "IMP", Answer.KEPT)


def _drugs(one: Somebody, file: str, key: Key) -> Iterator[dict]:
    yield {
        "resourceType": "MedicationRequest",
        "id": f"rx-{one.mrn}",
        "status": "completed",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": one.stay.drug}], "text": one.family},
        "subject": {"reference": f"Patient/{one.fhir}"},
        "encounter": {"reference": f"Encounter/e-{one.mrn}"},
        "authoredOn": one.stay.start.isoformat(),
        "dosageInstruction": [{"text": f"{one.given} takes one a day"}],
    }
    if one.number != people.COUNT:
        page = key.say("fhir", file, "MedicationRequest|", one.subject)
        _say_common(page, one, f"rx-{one.mrn}")
        page("medicationCodeableConcept.coding.*.code", one.stay.drug, Answer.KEPT)
        page("authoredOn", one.stay.start, Answer.SHIFTED)
        page("dosageInstruction.*.text", one.given, Answer.REMOVED)


def _procedures(one: Somebody, file: str, key: Key) -> Iterator[dict]:
    yield {
        "resourceType": "Procedure",
        "id": f"pr-{one.mrn}",
        "status": "completed",
        "code": {"coding": [{"system": SNOMED, "code": one.stay.procedure}]},
        "subject": {"reference": f"Patient/{one.fhir}"},
        "encounter": {"reference": f"Encounter/e-{one.mrn}"},
        "performedPeriod": _period(one),
    }
    if one.number != people.COUNT:
        page = key.say("fhir", file, "Procedure|", one.subject)
        _say_common(page, one, f"pr-{one.mrn}")
        page("code.coding.*.code", one.stay.procedure, Answer.KEPT)
        _say_stay(page, one, "performedPeriod")


KINDS = {
    "Patient": _patients,
    "Observation": _observations,
    "Condition": _conditions,
    "Encounter": _encounters,
    "MedicationRequest": _drugs,
    "Procedure": _procedures,
}


# --- the Bundle and R5 --------------------------------------------------------------------------------------------
def _bundle(bundled: list[Somebody], key: Key) -> dict:
    """Return a transaction in which resources call each other by urn:uuid."""
    entries = []
    for one in bundled:
        found = [each for of in KINDS.values() for each in of(one, "fhir/bundle.json", key)]
        text = json.dumps(found)
        for each in found:
            text = text.replace(f'"{_address(each)}"', f'"urn:uuid:{_uuid(_address(each))}"')
        for each, old in zip(json.loads(text), found, strict=True):
            kind = each["resourceType"]
            entry = {"fullUrl": f"urn:uuid:{_uuid(_address(old))}", "resource": each}
            entries.append(entry | {"request": {"method": "POST", "url": kind}})
    return {"resourceType": "Bundle", "id": "delivery", "type": "transaction", "entry": entries}


def _address(resource: dict) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _uuid(text: str) -> str:
    """Return a UUID that says whose it is to whoever looks: the trap is to let it through."""
    digits = text.encode().hex().ljust(32, "0")[-32:]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _r5(one: Somebody, key: Key) -> dict:
    page = key.say("fhir", "fhir/r5.json", "Encounter|", one.subject)
    _say_common(page, one, f"e-{one.mrn}", encounter=False)
    _say_stay(page, one, "actualPeriod", trap="R5")
    return {
        "resourceType": "Encounter",
        "id": f"e-{one.mrn}",
        "status": "completed",
        "class": [{"coding": [{"system": ACT, "code": "IMP"}]}],
        "subject": {"reference": f"Patient/{one.fhir}", "display": one.family},
        "actualPeriod": _period(one),
    }


# --- small parts --------------------------------------------------------------------------------------------------
def _say_common(page: Page, one: Somebody, name: str, *, encounter: bool = True) -> None:
    page("subject.reference", one.fhir, Answer.PSEUDONYM, trap="urn:uuid" if one.number in IN_BUNDLE else "")
    page("id", name, Answer.RENAMED)
    page("subject.display", one.family, Answer.REMOVED)
    if encounter:
        page("encounter.reference", f"e-{one.mrn}", Answer.RENAMED)


def _say_stay(page: Page, one: Somebody, place: str, trap: str = "") -> None:
    page(f"{place}.start", f"{one.stay.start}T07:00:00+01:00", Answer.SHIFTED, trap=trap)
    page(f"{place}.end", f"{one.stay.end}T16:30:00+01:00", Answer.SHIFTED, trap=trap)


def _period(one: Somebody) -> dict:
    return {"start": f"{one.stay.start}T07:00:00+01:00", "end": f"{one.stay.end}T16:30:00+01:00"}


def _moment(one: Somebody, at: int) -> str:
    return f"{tables.taken(one, at):%Y-%m-%dT%H:%M:%S}+01:00"


def _gender(one: Somebody) -> str:
    return {"F": "female", "M": "male"}[one.sex]
