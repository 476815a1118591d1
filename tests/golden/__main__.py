"""`python -m tests.golden FOLDER`: write the delivery, its plan and its key to a new folder."""

import sys
from collections import Counter
from pathlib import Path

from tests.golden.make import generate

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m tests.golden FOLDER")
    made = generate(Path(sys.argv[1]))
    print(
        f"{len(made.rows)} answers, {len(made.planted)} planted values: {dict(Counter(row.kind for row in made.rows))}"
    )
