"""The standard's table as data, beside another's reading of the same edition."""

import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as theirs
from pydicom.datadict import dictionary_keyword, dictionary_VR

from tests.tre.data.deid.dicom_files import a_part
from tre.data.deid.dicom import gate, marks, profile
from tre.data.deid.dicom.profile import Rule, Verb
from tre.errors import Unreadable

THEIRS = {
    "X": theirs.X_TAGS,
    "D": theirs.D_TAGS,
    "Z": theirs.Z_TAGS,
    "U": theirs.U_TAGS,
    "Z/D": theirs.Z_D_TAGS,
    "X/Z": theirs.X_Z_TAGS,
    "X/D": theirs.X_D_TAGS,
    "X/Z/D": theirs.X_Z_D_TAGS,
    "X/Z/U*": theirs.X_Z_U_STAR_TAGS,
}
MASKS = {
    "50XXXXXX": (0x5000, 0, 0xFF00, 0),
    "60XX3000": (0x6000, 0x3000, 0xFF00, 0xFFFF),
    "60XX4000": (0x6000, 0x4000, 0xFF00, 0xFFFF),
}
DIFFERENT: dict[str, str] = {}
"""Tag -> why our basic action is not theirs. There is none: whoever changes the table must say so here."""

STRICTER = {
    "00080050": "AccessionNumber: one name in one project where the standard empties it",
    "00080106": "ContextGroupVersion: moved by days, a constant would tell them",
    "00080107": "ContextGroupLocalVersion: the same",
    "00100010": "PatientName: the pseudonym where the standard empties it",
    "00100020": "PatientID: the pseudonym where the standard empties it",
    "00100030": "PatientBirthDate: emptied, as the standard says",
    "00101010": "PatientAge: with its option kept, but not above 90 years",
    "0018700C": "DateOfLastDetectorCalibration: a device's date, moved for many persons, would relate them",
    "0018700E": "TimeOfLastDetectorCalibration: as its date",
    "00181200": "DateOfLastCalibration: a device's date",
    "00181201": "TimeOfLastCalibration: as its date",
    "00181202": "DateTimeOfLastCalibration: a device's date",
    "00181204": "DateOfManufacture: a device's date",
    "00181205": "DateOfInstallation: a device's date",
    "00200010": "StudyID: one name in one project where the standard empties it",
    "00686226": "EffectiveDateTime: an implant template's",
    "00686270": "InformationIssueDateTime: an implant template's",
    "0072000A": "HangingProtocolCreationDateTime: the same in many files",
    "00720061": "SelectorDAValue: a hanging protocol's constant",
    "00720063": "SelectorDTValue: a hanging protocol's constant",
}


def test_every_tag_of_theirs_is_in_ours_with_the_same_action():
    ours = {row.tag: row.basic for row in profile.rows()}
    named = {mask: tag for tag, mask in MASKS.items()}
    expected = {
        named.get(tag) or f"{tag[0]:04X}{tag[1]:04X}": action for action, tags in THEIRS.items() for tag in tags
    }
    assert len(expected) == 655
    assert {tag: action for tag, action in expected.items() if ours.get(tag) != action} == DIFFERENT
    assert set(ours) == set(expected)


def test_where_we_go_another_way_than_the_standard_it_is_said():
    ours = {row.tag for row in profile.rows()}
    assert {f"{tag:08X}" for tag in profile.beyond()} & ours == set(STRICTER)


def test_the_options_are_letters_of_the_standard():
    for row in profile.rows():
        assert row.basic in profile.BASIC
        assert set(row[3:]) <= {"", "K", "C"}


def test_the_tables_name_attributes_as_the_dictionary_does():
    for row in profile.rows():
        if "X" not in row.tag and len(row.tag) == 8:
            try:
                assert dictionary_keyword(int(row.tag, 16)) in {row.keyword, ""}
            except KeyError:  # newer than the dictionary
                assert row.basic == "X"


def test_every_date_of_the_table_but_those_of_birth_can_be_moved():
    left = set()
    for row in profile.rows():
        if "X" in row.tag or row.modified_dates:
            continue
        try:
            if dictionary_VR(int(row.tag, 16)) in ("DA", "DT", "TM"):
                left.add(row.keyword)
        except KeyError:
            continue
    assert left == {"PatientBirthDate", "PatientBirthTime"}


@pytest.mark.parametrize(
    ("tag", "verb"),
    [
        (0x00280010, Verb.NUMBER),
        (0x00180060, Verb.NUMBER),
        (0x00180015, Verb.TERM),
        (0x0040A160, Verb.REMOVE),
        (0x00082127, Verb.REMOVE),
        (0x00420011, Verb.DUMMY),
        (0x00091001, Verb.PRIVATE),
        (0x60000010, Verb.REMOVE),
        (0x50000005, Verb.REMOVE),
        (0x00000100, Verb.REMOVE),
        (0x00041130, Verb.REMOVE),
        (0x0018EEEE, Verb.REMOVE),
        (0x00282000, Verb.REMOVE),
        (0x00189073, Verb.NUMBER),
        (0x00081140, Verb.WALK),
    ],
)
def test_what_no_row_names_is_decided_by_what_its_value_can_carry(tag, verb):
    found = profile.rules(a_part()).get(tag) or profile.rule_of_the_rest(tag)
    assert found.verb is verb


def test_without_an_option_a_date_is_emptied_or_replaced():
    plain = profile.rules(a_part(options=[]))
    assert plain[0x00080020] == Rule(Verb.EMPTY, Verb.EMPTY)
    assert profile.rules(a_part())[0x00080020] == Rule(Verb.DATE, Verb.EMPTY)


@pytest.mark.parametrize("option", ["retain-uids", "retain-long-full-dates", "clean-everything", 3])
def test_an_option_that_would_join_projects_is_refused(option):
    with pytest.raises(Unreadable, match="options"):
        a_part(options=[option])


A_RULE = {"manufacturer": "A", "model": "B", "rows": 1, "columns": 1, "regions": [[0, 0, 1, 1]], "reason": "x"}
A_PRIVATE = {"creator": "A", "element": "0043xx01", "reason": "a dose"}


@pytest.mark.parametrize(
    "more",
    [
        {"private": [A_PRIVATE | {"element": "0042xx01"}]},
        {"private": [{"creator": "A", "element": "0043xx01"}]},
        {"private": [A_PRIVATE | {"reason": " "}]},
        {"private": "all"},
        {"blackout": [A_RULE | {"regions": []}]},
        {"blackout": [A_RULE | {"regions": [[0, 0, -1, 1]]}]},
        {"blackout": [A_RULE | {"regions": [[0, 0, 0, 1]]}]},
        {"blackout": [A_RULE | {"rows": "512"}]},
        {"structured_reports": "yes"},
        {"descriptions": "CT"},
        {"something": 1},
    ],
)
def test_a_plan_is_read_strictly(more):
    with pytest.raises(Unreadable, match="plan, dicom"):
        a_part(**more)


def test_the_methods_are_those_of_the_standard():
    part = a_part(structured_reports=True, descriptions=["CT"], private=[A_PRIVATE], blackout=[A_RULE])
    found = marks.methods(part, looked_at=True)
    assert found == ("113100", "113101", "113104", "113105", "113107", "113108", "113111")


def test_every_class_of_the_gate_is_of_the_standard():
    from pydicom._uid_dict import UID_dictionary

    for uid, keyword in gate.names().items():
        assert UID_dictionary[uid][4] == keyword
