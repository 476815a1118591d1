"""Run one target under libFuzzer, our own code instrumented."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import atheris

MEGABYTES = 2048
HANG = 20
"""Seconds that one input may take."""
LONGEST = 64 * 1024


def main() -> None:
    """Look for what breaks a parser."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("target", nargs="?")
    asked.add_argument("files", nargs="*", help="try these, and nothing else")
    asked.add_argument("--seconds", type=int, default=60)
    asked.add_argument("--runs", type=int, default=-1, help="stop after so many inputs")
    asked.add_argument("--folder", type=Path, help="keep what was learned and what was found here")
    said = asked.parse_args()
    with atheris.instrument_imports(include=["tre.data"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    if said.target not in TARGETS:
        sys.exit(f"targets: {', '.join(TARGETS)}")
    target = TARGETS[said.target]

    def once(data: bytes) -> None:
        try:
            target.once(data)
        except target.refused:
            return

    words = [f"-max_total_time={said.seconds}", f"-runs={said.runs}", f"-timeout={HANG}", f"-max_len={LONGEST}"]
    words += [f"-rss_limit_mb={MEGABYTES}", "-seed=1", "-print_final_stats=1"]
    if said.files:
        words += said.files
    else:
        folder = said.folder or Path(tempfile.mkdtemp(prefix=f"fuzz-{said.target}-"))
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for at, seed in enumerate(target.seeds()):
            (corpus / f"seed-{at:03}").write_bytes(seed)
        words += [f"-artifact_prefix={folder}{os.sep}", str(corpus)]
    atheris.Setup([sys.argv[0], *words], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
