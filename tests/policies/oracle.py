"""The same rules once more, written by hand in plain Python: what Cedar says must be what this says."""

from collections.abc import Callable

from policies.facts import MOMENTS, Ask, Role

INSIDE = {"open_session", "mount", "submit_export"}
IN_PROJECT = INSIDE | {"vote_export", "release_export"}
LEAVING = {"submit_export", "release_export"}
NEEDED = {
    "open_session": {"gdpr", "safe-researcher"},
    "mount": {"gdpr", "safe-researcher"},
    "submit_export": {"gdpr", "safe-researcher"},
    "vote_export": {"gdpr", "output-checker"},
    "administer": {"gdpr"},
}


def in_date(ask: Ask) -> set[str]:
    return {course for course, until in ask.person.trainings.items() if until > ask.now}


def is_member(ask: Ask) -> bool:
    return ask.project.member_until.timestamp() > 0


def roles_mixed(ask: Ask) -> bool:
    roles = ask.person.roles
    if ask.verb == "administer":
        return roles != {Role.ADMIN}
    return Role.ADMIN in roles or (ask.verb in INSIDE and Role.ANALYST not in roles)


def unapproved(ask: Ask) -> bool:
    data = ask.dataset
    in_force = data.approved_until > ask.now and not data.revoked
    return not (in_force and data.version >= 1 and data.version == data.approved_version)


def may_not_leave(ask: Ask) -> bool:
    kinds = ask.export.kinds
    return not kinds or bool(kinds & {"raw", "unknown"}) or (ask.verb == "release_export" and ask.export.row_level)


def may_not_vote(ask: Ask) -> bool:
    name = ask.person.name
    partial = name == ask.export.requester or ask.project.was_member or is_member(ask) or name in ask.export.voted
    return partial or Role.APPROVER not in ask.person.roles or "output-checker" not in in_date(ask)


def unseen(ask: Ask) -> bool:
    return not ask.export.manifest or ask.export.manifest != ask.export.seen_manifest


# rule, the moments at which it speaks, and when it says no.
RULES: tuple[tuple[str, set[str], Callable[[Ask], bool]], ...] = (
    ("R00", INSIDE | {"release_export"}, lambda ask: not is_member(ask)),
    ("R01", set(MOMENTS), lambda ask: ask.person.suspended),
    ("R02", set(MOMENTS), lambda ask: not ask.person.second_factor),
    ("R03", set(NEEDED), lambda ask: bool(NEEDED[ask.verb] - in_date(ask))),
    ("R04", INSIDE, lambda ask: not ask.agreement or ask.person.agreement != ask.agreement),
    ("R05", INSIDE | {"release_export"}, lambda ask: is_member(ask) and ask.project.member_until <= ask.now),
    ("R06", IN_PROJECT, lambda ask: ask.project.suspended or ask.project.closed),
    ("R07", INSIDE, lambda ask: ask.project.approved_until <= ask.now),
    ("R08", INSIDE, lambda ask: ask.project.retained_until <= ask.now),
    ("R09", {"mount"}, unapproved),
    ("R10", {"mount"}, lambda ask: ask.dataset.withdrawn),
    ("R20", LEAVING, may_not_leave),
    ("R21", {"release_export"}, lambda ask: len(ask.export.approvals - {ask.export.requester}) < 2),
    ("R22", {"vote_export"}, may_not_vote),
    ("R23", {"vote_export", "release_export"}, unseen),
    ("R25", {"release_export"}, lambda ask: ask.export.blocked),
    ("R29", IN_PROJECT | {"administer"}, roles_mixed),
    ("R36", {"mount"}, lambda ask: not ask.dataset.assessed),
)


def reasons(ask: Ask) -> set[str]:
    """Ids of the rules that say no."""
    return {rule for rule, verbs, says_no in RULES if ask.verb in verbs and says_no(ask)}
