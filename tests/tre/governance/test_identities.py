"""One human being has one account, however many names the world has for them."""

from datetime import timedelta

import pytest

from policies.facts import Role
from tests.builders import HOST, rules_only
from tre.errors import StepRefused, Unreadable
from tre.governance import accounts, identities
from tre.governance.identities import Marker
from tre.records import audit
from tre.records.tables import PersonRow, VisaRow


def add(records, settings, now, name, email):
    with records.act(HOST, "person.add", f"person/{name}") as session:
        accounts.add(
            session, name, full_name=name, email=email, roles=[Role.ANALYST], actor=HOST, now=now, settings=settings
        )


def link(records, now, person, issuer, subject):
    with records.act(HOST, "identity.link", f"person/{person}") as session:
        identities.link(session, person, Marker(issuer, subject), actor=HOST, now=now)


def also(records, name):
    with records.read() as session:
        return identities.also_accounts(session, name)


def write(records, *rows):
    """Put rows where no verb would put them: what an older version left, or a visa that another part accepted."""
    with records.act(HOST, "test.write", "home") as session:
        for row in rows:
            session.merge(row)
        audit.append(session, "test.write", actor=HOST, subject="home")


def visa(now, person, subject, value, type_="LinkedIdentities"):
    return VisaRow(
        sha256=f"{person}{subject}{type_}".ljust(64, "0")[:64], person=person, issuer="https://broker.example",
        subject=subject, type=type_, value=value, source="", asserted=now, expires_at=now + timedelta(days=1),
        accepted_at=now,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("Ann@Example.ORG", "ann@example.org"),
        ("ann+tre@example.org", "ann@example.org"),
        ("ann+a+b@example.org", "ann@example.org"),
        ("+ann@example.org", "+ann@example.org"),
        ("a.n@example.org", "a.n@example.org"),
    ],
)
def test_an_address_has_one_spelling(written, spelt):
    assert identities.spelling(written) == spelt


@pytest.mark.parametrize("address", ["ann@hortus.example", "ANN@hortus.example", "ann+second@Hortus.example"])
def test_a_second_account_with_the_same_address_is_refused_in_one_line(sunrise, settings, now, address):
    with pytest.raises(StepRefused) as refusal:
        add(sunrise, settings, now, "annie", address)
    assert str(refusal.value) == "this e-mail address is ann's already: one person has one account"
    with sunrise.read() as session:
        assert session.get(PersonRow, "annie") is None


@rules_only
def test_wildcards_in_an_address_are_letters(sunrise, settings, now):
    add(sunrise, settings, now, "annie", "a_n@hortus.example")
    add(sunrise, settings, now, "percy", "%@hortus.example")
    assert also(sunrise, "annie") == also(sunrise, "percy") == frozenset()


@rules_only
def test_what_a_provider_calls_somebody_is_one_persons(sunrise, now):
    link(sunrise, now, "ann", "https://idp.example", "17")
    link(sunrise, now, "ann", "https://idp.example", "17")
    with pytest.raises(StepRefused, match="ann's already"):
        link(sunrise, now, "ben", "https://idp.example", "17")
    link(sunrise, now, "ben", "https://other.example", "17")


@pytest.mark.parametrize("written", ["0000-0002-1825-0097", "https://orcid.org/0000-0002-1694-233x"])
def test_an_orcid_is_taken_as_it_is_written(written):
    assert len(identities.checked_orcid(written)) == 19


@pytest.mark.parametrize("written", ["", "0000-0002-1825-0098", "0000000218250097", "\u0660000-0002-1825-0097"])
def test_what_is_no_orcid_is_refused(written):
    with pytest.raises(Unreadable, match="orcid"):
        identities.checked_orcid(written)


# --- two accounts of one human being ----------------------------------------------------------------------------------
def test_people_who_share_nothing_are_two(sunrise):
    assert also(sunrise, "ann") == frozenset()


@rules_only
def test_accounts_of_before_with_one_address_in_two_spellings_are_one_human_beings(sunrise):
    with sunrise.read() as session:
        ben = session.get(PersonRow, "ben")
    ben.email = "Ann+two@Hortus.example"
    write(sunrise, ben)
    assert (also(sunrise, "ann"), also(sunrise, "ben")) == ({"ben"}, {"ann"})


@rules_only
def test_two_accounts_with_visas_of_one_subject_are_one_human_beings(sunrise, now):
    write(sunrise, visa(now, "ann", "s1", "x", "ResearcherStatus"), visa(now, "ben", "s1", "y", "AffiliationAndRole"))
    assert also(sunrise, "ann") == {"ben"}


def test_a_visa_that_links_identities_links_accounts_over_several_steps(sunrise, now):
    link(sunrise, now, "ben", "https://idp.example/a", "b 17")
    link(sunrise, now, "dave", "https://idp.example", "d")
    write(
        sunrise,
        visa(now, "ann", "s1", "b%2017,https%3A%2F%2Fidp.example%2Fa;nonsense"),
        visa(now, "ben", "s2", "d,https%3A%2F%2Fidp.example"),
    )
    assert also(sunrise, "dave") == {"ann", "ben"}
    assert also(sunrise, "grace") == frozenset()


@rules_only
def test_a_visa_that_an_admin_took_back_links_nothing(sunrise, now):
    link(sunrise, now, "ben", "https://idp.example", "17")
    taken = visa(now, "ann", "s1", "17,https%3A%2F%2Fidp.example")
    taken.refused_at = now
    write(sunrise, taken)
    assert also(sunrise, "ann") == frozenset()
