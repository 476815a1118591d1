"""Whoever holds a note and a public key can check it, with anyone's software."""

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tre.records import checkpoint, note

# The published example of the signed-note format: a note, and the key that it verifies under.
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NAME = "tre.example/audit"
BY = note.Verifier(NAME, KEY.public_key())


def test_the_published_example_verifies():
    assert note.opened(EXAMPLE, note.verifier(EXAMPLE_KEY)).startswith("If you think")
    assert str(note.verifier(EXAMPLE_KEY)) == EXAMPLE_KEY


def test_the_key_id_is_as_the_format_says():
    raw = KEY.public_key().public_bytes_raw()
    assert BY.id == sha256(NAME.encode() + b"\x0a\x01" + raw).digest()[:4]


def test_a_signature_line_is_name_and_base64_of_id_and_signature():
    line = note.sign("hello\n", NAME, KEY).splitlines()[-1]
    mark, name, coded = line.split(" ")
    assert (mark, name) == ("—", NAME)
    assert base64.b64decode(coded) == BY.id + KEY.sign(b"hello\n")


@given(st.text(st.characters(exclude_categories=["C"]), max_size=50))
def test_what_is_signed_opens(text):
    assert note.opened(note.sign(f"{text}\n", NAME, KEY), BY) == f"{text}\n"


def test_a_signature_of_another_beside_ours_is_passed_over():
    ours = note.sign("hello\n", NAME, KEY)
    theirs = note.sign("hello\n", "witness", Ed25519PrivateKey.generate()).splitlines()[-1]
    head, _, mine = ours.rpartition("\n\n")
    assert note.opened(f"{head}\n\n{theirs}\n{mine}", BY) == "hello\n"


SIGNED = note.sign("log\n5\nroot\n", NAME, KEY)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (SIGNED.replace("5", "6"), "does not match"),
        (note.sign("log\n5\nroot\n", NAME, Ed25519PrivateKey.generate()), "not signed by"),
        (note.sign("log\n5\nroot\n", "another", KEY), "not signed by"),
        (SIGNED.rpartition("\n\n")[0], "not a signed note"),
        (SIGNED.rstrip("\n"), "not a signed note"),
        (SIGNED.replace("— ", "- "), "not a signed note"),
        (SIGNED[:-9] + "????" + "\n", "not base64"),
        ("", "not a signed note"),
    ],
    ids=["text", "key", "name", "unsigned", "cut", "mark", "base64", "empty"],
)
def test_a_note_that_is_not_as_signed_does_not_open(broken, why):
    with pytest.raises(note.BadNote, match=why):
        note.opened(broken, BY)


def test_a_checkpoint_says_size_and_root():
    stated = note.Checkpoint(NAME, 7, sha256(b"").digest())
    text = note.statement(stated)
    assert text == f"{NAME}\n7\n{base64.b64encode(stated.root).decode()}\n"
    assert note.checkpoint(note.sign(text, NAME, KEY), BY) == stated


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n-1\n{'A' * 43}=\n",
        f"{NAME}\n07\n{'A' * 43}=\n",
        f"{NAME}\n\N{ARABIC-INDIC DIGIT SEVEN}\n{'A' * 43}=\n",
        f"{NAME}\n7\nAAAA\n",
        f"{NAME}\n7\n",
        f"another log\n7\n{'A' * 43}=\n",
        "\n",
    ],
)
def test_a_signed_note_that_is_no_checkpoint_is_none(text):
    with pytest.raises(note.BadNote):
        note.checkpoint(note.sign(text, NAME, KEY), BY)


@pytest.mark.parametrize("line", ["", "a+b+c", EXAMPLE_KEY.replace("c74f", "c74e"), EXAMPLE_KEY.replace("+A", "+B")])
def test_a_broken_public_key_is_none(line):
    with pytest.raises(note.BadNote):
        note.verifier(line)


def test_a_private_key_survives_its_line():
    name, key = note.private_key(note.private_line(NAME, KEY))
    assert (name, key.private_bytes_raw()) == (NAME, KEY.private_bytes_raw())


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_a_name_that_would_break_the_format_is_refused(name):
    with pytest.raises(note.BadNote):
        note.sign("hello\n", name, KEY)


def test_a_text_without_its_line_end_is_not_signed():
    with pytest.raises(note.BadNote):
        note.sign("hello", NAME, KEY)


def test_what_audit_key_prints_is_a_key_with_the_certificates_key_below_it(settings):
    printed = f"{checkpoint.note_key(settings)}\n{checkpoint.public_key(settings)}"
    assert str(note.verifier(printed)) == checkpoint.note_key(settings)
