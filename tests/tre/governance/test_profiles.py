"""Which numbers a project or a dataset keeps is the committee's choice, and is in the log."""

import pytest

from airlock import asks
from policies import book
from tests.builders import HOST
from tre.errors import StepRefused, Unreadable
from tre.governance import accounts, profiles, projects
from tre.records import audit
from tre.records.tables import DatasetRow, ExtractRow


def pick(records, now, name="sunrise", profile="all-of-us", person="erin", of=profiles.of_project):
    with records.act(person, f"{'project' if of is profiles.of_project else 'dataset'}.profile", name) as session:
        return of(session, name, profile, why="as its donors were promised", person=person, now=now)


def test_what_the_committee_chose_is_kept_with_who_and_why(sunrise, said, now):
    pick(sunrise, now)
    with sunrise.read() as session:
        assert projects.get(session, "sunrise").disclosure_profile == "all-of-us"
    [entry] = said("project.profile")
    assert (entry["actor"], entry["facts"]["was"], entry["facts"]["profile"]) == ("erin", "house", "all-of-us")
    pick(sunrise, now, profile="house")
    with sunrise.read() as session:
        assert projects.get(session, "sunrise").disclosure_profile is None


def test_an_export_keeps_house_project_and_every_dataset(sunrise, now):
    pick(sunrise, now)
    pick(sunrise, now, name="trial", profile="opensafely", of=profiles.of_dataset)
    with sunrise.act(HOST, "test.build", "home") as session:
        assert asks.profiles(session, "sunrise", house="default") == ("default", "all-of-us")
        session.add(
            ExtractRow(
                project="sunrise", dataset="trial", version=1, number=1, manifest="{}", report="{}", assessed=True,
                prepared_at=now,
            )
        )  # fmt: skip
        audit.append(session, "test.build", actor=HOST, subject="home", at=now)
    with sunrise.read() as session:
        assert session.get_one(DatasetRow, "trial").disclosure_profile == "opensafely"
        assert asks.profiles(session, "sunrise", house="default") == ("default", "all-of-us", "opensafely")


@pytest.mark.parametrize("person", ["ann", "dave", "grace"])
@pytest.mark.parametrize("of", [profiles.of_project, profiles.of_dataset])
def test_nobody_else_chooses(sunrise, now, person, of):
    with pytest.raises(StepRefused, match="not on the committee"):
        pick(sunrise, now, name="sunrise" if of is profiles.of_project else "trial", person=person, of=of)


def test_who_was_in_the_project_or_is_suspended_does_not_choose_for_it(sunrise, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        accounts.suspend(session, "frank", why="left", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="suspended"):
        pick(sunrise, now, person="frank")
    with sunrise.act(HOST, "test.build", "home") as session:
        projects.add_member(session, "sunrise", "erin", until=None, actor=HOST, now=now)
        projects.remove_member(session, "sunrise", "erin", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="is or was a member"):
        pick(sunrise, now)


@pytest.mark.parametrize(("profile", "why"), [("none", "no profile 'none': there are house"), ("", "no profile ''")])
def test_a_profile_that_is_not_there_is_refused(sunrise, now, profile, why):
    with pytest.raises(Unreadable, match=why):
        pick(sunrise, now, profile=profile)
    assert "default" in book.profiles()


def test_what_is_kept_already_is_not_chosen_again(sunrise, now):
    with pytest.raises(StepRefused, match="keeps house already"):
        pick(sunrise, now, profile="house")
