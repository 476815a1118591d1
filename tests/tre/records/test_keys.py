"""One root, and keys from it that have nothing in common."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.errors import Tampered, Unreadable
from tre.records import keys
from tre.records.keys import Keys

ROOT = bytes(range(32))
PSEUDONYM = "e433064f7b098185eb4df5ea0dd4e20a930b6dcb5faec5a9a8f1e9db45c27c0f"
DATE = "006f57fc186985d945eb5b4a9e90286e31388c36cbdaa9c3672802bfa967de22"
purposes = st.sampled_from(["totp", "silo", "dataset/trial", "data-key"])


def test_the_root_key_is_32_bytes_that_only_its_owner_reads(settings):
    path = settings.keys / "root.key"
    assert len(path.read_bytes()) == 32
    assert path.stat().st_mode & 0o7777 == 0o400
    assert (settings.keys / "signing.key").stat().st_mode & 0o7777 == 0o400
    assert settings.keys.stat().st_mode & 0o7777 == 0o700


def test_keys_stay_as_they_are_when_made_again(settings):
    before = {path.name: path.read_bytes() for path in settings.keys.iterdir()}
    keys.init(settings)
    assert {path.name: path.read_bytes() for path in settings.keys.iterdir()} == before


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o404, 0o444, 0o500, 0o4400])
@pytest.mark.parametrize(("name", "load"), [("root.key", Keys.load), ("signing.key", keys.signer)])
def test_a_key_that_others_may_have_read_is_refused_in_one_line(settings, mode, name, load):
    (settings.keys / name).chmod(mode)
    with pytest.raises(Unreadable, match="chmod 0400") as error:
        load(settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, 31, 33, 5000])
def test_a_key_of_another_size_is_refused(settings, size):
    path = settings.keys / "root.key"
    path.unlink()
    path.write_bytes(bytes(size))
    path.chmod(0o400)
    with pytest.raises(Tampered, match="not 32"):
        Keys.load(settings)


def test_a_missing_key_is_named_with_the_remedy(settings):
    (settings.keys / "root.key").unlink()
    with pytest.raises(Unreadable, match="restore it from its backup"):
        Keys.load(settings)


@pytest.mark.parametrize("content", [b"", b"PRIVATE+KEY+x+y+z", b"\xff\xfe", b"PRIVATE+KEY+a+00000000+AQ=="])
def test_a_broken_signing_key_is_refused(settings, content):
    path = settings.keys / "signing.key"
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o400)
    with pytest.raises(Tampered, match="not a signing key"):
        keys.signer(settings)


def test_the_root_is_never_shown(settings):
    assert Keys(ROOT).__repr__() == "Keys()"


@given(purposes, st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_opens_again(purpose, plain, bound_to):
    held = Keys(ROOT)
    assert held.unseal(purpose, held.seal(purpose, plain, bound_to=bound_to), bound_to=bound_to) == plain


@given(st.binary(max_size=40), st.data())
def test_a_seal_with_one_bit_changed_does_not_open(plain, data):
    held = Keys(ROOT)
    sealed = bytearray(held.seal("totp", plain, bound_to="ann"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Tampered, match="seal on totp of ann"):
        held.unseal("totp", bytes(sealed), bound_to="ann")


@pytest.mark.parametrize("cut", [0, 1, 12, 28])
def test_a_seal_cut_short_does_not_open(cut):
    held = Keys(ROOT)
    with pytest.raises(Tampered):
        held.unseal("totp", held.seal("totp", b"secret", bound_to="ann")[:cut], bound_to="ann")


@pytest.mark.parametrize(
    ("root", "purpose", "bound_to"),
    [(ROOT, "silo", "ann"), (ROOT, "totp", "bob"), (bytes(32), "totp", "ann")],
    ids=["another purpose", "another person", "another root"],
)
def test_a_seal_opens_for_nothing_else(root, purpose, bound_to):
    sealed = Keys(ROOT).seal("totp", b"secret", bound_to="ann")
    with pytest.raises(Tampered):
        Keys(root).unseal(purpose, sealed, bound_to=bound_to)


def test_the_same_secret_is_never_sealed_the_same():
    held = Keys(ROOT)
    assert held.seal("totp", b"secret", bound_to="ann") != held.seal("totp", b"secret", bound_to="ann")


@pytest.mark.parametrize("purpose", ["", "project", "project/sunrise/epoch/1", "A", "a//b", "/a", "a b", "a\n"])
def test_a_seal_cannot_take_the_place_of_a_projects_key(purpose):
    with pytest.raises(ValueError, match="not a purpose"):
        Keys(ROOT).seal(purpose, b"", bound_to="ann")


def test_no_two_projects_purposes_or_epochs_share_a_key():
    held = Keys(ROOT)
    made = [
        holder.project_key(project, purpose, epoch=epoch)
        for holder in (held, Keys(bytes(32)))
        for project in ("sunrise", "harbour")
        for purpose in ("pseudonym", "date")
        for epoch in (1, 2, 11)
    ]
    assert all(one != other for one, other in combinations(made, 2))
    assert {len(key) for key in made} == {32}


def test_a_projects_key_is_the_same_tomorrow():
    """Pseudonyms of today must be those of next year: these bytes are fixed forever."""
    assert Keys(ROOT).project_key("sunrise", "pseudonym").hex() == PSEUDONYM
    assert Keys(ROOT).project_key("sunrise", "date").hex() == DATE


def test_a_projects_key_is_hkdf_of_hkdf():
    """Computed with nothing but HMAC (RFC 5869), to hold the derivation still."""
    import hmac

    def hkdf(key, info):
        extracted = hmac.digest(bytes(32), key, "sha256")
        return hmac.digest(extracted, info.encode() + b"\x01", "sha256")

    expected = hkdf(hkdf(ROOT, "tre/v1/project/sunrise/epoch/1"), "pseudonym")
    assert Keys(ROOT).project_key("sunrise", "pseudonym") == expected


@pytest.mark.parametrize(("project", "purpose", "epoch"), [("sunrise", "totp", 1), ("sunrise", "date", 0)])
def test_a_key_for_something_else_is_not_made(project, purpose, epoch):
    with pytest.raises(ValueError, match="no project key"):
        Keys(ROOT).project_key(project, purpose, epoch=epoch)


def test_a_project_whose_name_could_be_a_path_gets_no_key():
    with pytest.raises(Unreadable):
        Keys(ROOT).project_key("sunrise/epoch/2", "date")
