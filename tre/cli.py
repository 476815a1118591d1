"""The `tre` command: one word for each wing of the house.

`--home DIR` and `--json` are understood by every command, wherever they stand.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from tre import __version__, show
from tre.errors import TREError, Unreadable

# word -> where its command lives, and what it is for; imported only when it is called.
COMMANDS = {
    "init": ("tre.records.commands:init", "make the home: database, keys, folders"),
    "demo": ("tre.demo:app", "a whole TRE with people, projects and data to try"),
    "up": ("tre.up:up_command", "run the house until interrupted"),
    "doctor": ("tre.doctor:doctor", "check host, configuration and promises"),
    "person": ("tre.governance.people_commands:person", "people: accounts and invitations"),
    "role": ("tre.governance.people_commands:role", "roles, granted and taken away by two admins"),
    "training": ("tre.governance.people_commands:training", "courses passed, and until when they count"),
    "agreement": ("tre.governance.people_commands:agreement", "the user agreement: its versions, and who signed it"),
    "project": ("tre.closing:project", "projects, from opening to closing"),
    "member": ("tre.governance.commands:member", "who belongs to a project"),
    "application": ("tre.governance.application_commands:application", "a project's application for a dataset"),
    "register": ("tre.governance.application_commands:register_command", "what anybody may know of the research here"),
    "dataset": ("tre.data.commands:dataset", "datasets and their versions"),
    "linkage": ("tre.data.linkage_commands:app", "whose each id of each source system is"),
    "extract": ("tre.data.commands:extract", "a project's pseudonymised copy of a dataset"),
    "vocabulary": ("tre.data.vocabulary_commands:vocabulary", "OMOP vocabularies and the house's own mappings"),
    "ontology": ("tre.governance.ontology_commands:app", "which disease is a kind of which"),
    "recontact": ("tre.data.recontact_commands:app", "finding a person again, for those who treat them"),
    "leak": ("tre.data.leak_commands:app", "data that were found outside, and which project they come from"),
    "policy": ("tre.governance.policy_commands:app", "what the rules say, and why"),
    "visa": ("tre.governance.visa_commands:app", "what trusted issuers vouch for (GA4GH Passports)"),
    "emergency": ("tre.governance.emergency_commands:app", "a closed door that two people open for a few hours"),
    "room": ("tre.rooms.commands:app", "what a room is made of, and which are open"),
    "backup": ("tre.backup_commands:app", "the house on another disk"),
    "restore": ("tre.backup_commands:restore", "a home made of a backup, on a bare machine"),
    "audit": ("tre.records.commands:audit", "the log and its proof"),
}


def build() -> App:
    """All commands, each loaded only when it is called."""
    app = App(name="tre", version=__version__, help=__doc__, result_action="return_value")
    for word, (where, about) in COMMANDS.items():
        app.command(where, name=word, help=about)
    return app


def run(app: App, words: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    try:
        rest = _common(list(words))
        code = app(rest, exit_on_error=False, print_error=False)
    except TREError as error:
        return show.fault(error)
    except CycloptsError as error:
        return show.fault(Unreadable(" ".join(str(error).split())))
    except KeyboardInterrupt:
        print("interrupted; nothing is half done, the same command goes on", file=sys.stderr)
        return 130
    return code if isinstance(code, int) else 0


def _common(words: list[str]) -> list[str]:
    """Take `--json` and `--home DIR` out, wherever they stand."""
    if "--json" in words:
        words.remove("--json")
        show.as_json.set(True)
    if "--home" in words:
        at = words.index("--home")
        if at + 1 == len(words):
            raise Unreadable("--home needs a folder")
        os.environ["TRE_HOME"] = str(Path(words[at + 1]).absolute())
        del words[at : at + 2]
    return words


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(build(), sys.argv[1:]))
