"""The same rules once more, written by hand in plain Python: what Cedar says must be what this says."""

from collections.abc import Callable
from datetime import timedelta

from policies.facts import MOMENTS, Ask, Role

ROOMS = {"open_session", "mount"}
DATA = {"mount", "prepare_extract"}
ARRIVING = {"ask_import", "import_file"}
WORK = ROOMS | ARRIVING | {"submit_export", "ask_recontact"}
LEAVING = {"submit_export", "release_export", "collect_export"}
LEFT = {"release_export", "collect_export"}
MEMBERS = WORK | LEFT
VOTES = {"vote_export", "vote_import", "vote_recontact"}
JUDGES = {"vote_application", "decide_application"}
SITS = JUDGES | {"grant_exception"}
CHANGES = {"change_rules", "change_role"}
ADMINS = CHANGES | {"administer", "prepare_extract"}
LOGS = {"view_log", "view_project_log"}
ACTING = (
    (WORK, {"gdpr", "safe-researcher"}),
    (VOTES, {"gdpr", "output-checker"}),
    (SITS | ADMINS | LOGS, {"gdpr"}),
)
WORKERS = {Role.ANALYST, Role.APPROVER, Role.COMMITTEE, Role.CHAIR}
SITTING = {Role.COMMITTEE, Role.CHAIR}


def in_date(ask: Ask) -> set[str]:
    return {course for course, until in ask.person.trainings.items() if until > ask.now}


def is_member(ask: Ask) -> bool:
    return ask.project.member_until.timestamp() > 0


def selves(ask: Ask) -> set[str]:
    return {ask.person.name, *ask.person.also}


def emergency(ask: Ask) -> bool:
    return ask.verb in ROOMS and ask.project.emergency_until > ask.now


def over(ask: Ask) -> bool:
    return ask.project.approved_until <= ask.now


def untrained(ask: Ask) -> bool:
    needed = next((courses for verbs, courses in ACTING if ask.verb in verbs), set())
    return not (needed <= in_date(ask) or emergency(ask))


def unsigned(ask: Ask) -> bool:
    return not (emergency(ask) or (ask.agreement and ask.person.agreement == ask.agreement))


def membership_over(ask: Ask) -> bool:
    project = ask.project
    if not is_member(ask) or project.member_until > ask.now or emergency(ask):
        return False
    kept = project.lead and project.member_until >= project.approved_until and project.grace_until > ask.now
    return not (ask.verb in LEAVING and kept)


def unapproved(ask: Ask) -> bool:
    if ask.export:
        return not ask.export.data_in_force
    data = ask.dataset
    in_force = data.approved_until > ask.now and not data.revoked
    return not (in_force and data.version >= 1 and data.version == data.approved_version)


def too_early(ask: Ask) -> bool:
    return (ask.dataset.embargo_until if ask.dataset else ask.project.moratorium_until) > ask.now


def off_purpose(ask: Ask) -> bool:
    data = ask.dataset
    if data.refused - {"NCU", "NPUNCU", "NPU", "IRB", "GS", "DS"}:
        return True
    return not {"permit": True, "manual": data.ruled}.get(data.duo, False)


def refused(*codes: str) -> Callable[[Ask], bool]:
    return lambda ask: any(code in ask.dataset.refused for code in codes)


def from_elsewhere(ask: Ask) -> bool:
    allowed, here = ask.dataset.networks, ask.person.network
    return not ("any" in allowed or (here and here in allowed) or emergency(ask))


def may_not_leave(ask: Ask) -> bool:
    kinds = ask.export.kinds
    return not kinds or "raw" in kinds or "unknown" in kinds or (ask.verb in LEFT and ask.export.row_level)


def approvers(ask: Ask) -> int:
    thing = ask.export or ask.arriving
    return len(set(thing.approvals) - selves(ask) - {thing.requester})


def may_not_vote(ask: Ask) -> bool:
    thing = ask.export or ask.arriving or ask.recontact
    partial = bool(selves(ask) & {thing.requester, *thing.voted, *thing.approvals})
    inside = ask.project.was_member or is_member(ask)
    return partial or inside or Role.APPROVER not in ask.person.roles or "output-checker" not in in_date(ask)


def unseen(ask: Ask) -> bool:
    thing = ask.export or ask.arriving
    return not thing.manifest or thing.manifest != thing.seen_manifest


def no_exception(ask: Ask) -> bool:
    export = ask.export
    partial = bool(selves(ask) & {export.requester, *export.voted, *export.approvals})
    return partial or ask.project.was_member or is_member(ask) or not export.excepted_check


def may_not_recall(ask: Ask) -> bool:
    if ask.export.requester == ask.person.name or ask.person.roles & {Role.ADMIN, *SITTING}:
        return False
    return Role.APPROVER not in ask.person.roles or ask.project.was_member or is_member(ask)


def not_two_admins(ask: Ask) -> bool:
    change = ask.change
    same = bool(selves(ask) & {change.proposer, change.beneficiary})
    return same or not change.proposer_fit or not change.manifest or change.manifest != change.seen_manifest


def out_of_role(ask: Ask) -> bool:
    roles = ask.person.roles
    if ask.verb in ADMINS:
        return roles != {Role.ADMIN}
    if ask.verb == "break_glass":
        return Role.AUDITOR in roles or (Role.ADMIN in roles) is bool(roles & SITTING)
    if Role.ADMIN in roles:
        return True
    if ask.verb in LOGS:
        return Role.AUDITOR in roles and bool(roles & WORKERS)
    if Role.AUDITOR in roles:
        return True
    return (ask.verb in WORK and Role.ANALYST not in roles) or (ask.verb in SITS and not roles & SITTING)


def glass_unbroken(ask: Ask) -> bool:
    said = ask.emergency
    two = said.proposer not in selves(ask) and said.proposer_fit
    both = Role.ADMIN in said.roles and bool(said.roles & SITTING)
    selfless = said.beneficiary not in selves(ask) | {said.proposer}
    short = timedelta(0) < said.until - ask.now <= timedelta(hours=4)
    return not (two and both and selfless and said.reason and said.told and short)


def no_auditor(ask: Ask) -> bool:
    leads = ask.verb == "view_project_log" and ask.project.lead and is_member(ask)
    return Role.AUDITOR not in ask.person.roles and not leads


def unchecked(ask: Ask) -> bool:
    kinds = ask.arriving.kinds
    looked = ask.verb == "ask_import" or ask.arriving.checked
    agreed = ask.verb != "import_file" or approvers(ask) > 0
    return not agreed or not looked or not kinds or "unknown" in kinds


def wild_model(ask: Ask) -> bool:
    agreed = ask.project.ml_plan and (ask.export.models_checked or ask.verb == "submit_export")
    return "model" in ask.export.kinds and not agreed


def partial(ask: Ask) -> bool:
    form, me = ask.application, selves(ask)
    apart = not form.conflicted and not me & {form.applicant, *form.named} and ask.person.name in form.panel
    again = ask.verb == "vote_application" and bool(me & form.voted)
    return not apart or again or not form.form or form.form != form.seen_form


def undecided(ask: Ask) -> bool:
    form = ask.application
    return not form.chaired or form.unruled or form.quorum == 0 or form.votes < form.quorum


def unfinished(ask: Ask) -> bool:
    form = ask.application
    return not form.complete or not ask.now < form.until <= form.latest


# rule, the moments at which it speaks, and when it says no.
RULES: tuple[tuple[str, set[str], Callable[[Ask], bool]], ...] = (
    ("R00", MEMBERS, lambda ask: not is_member(ask)),
    ("R01", set(MOMENTS), lambda ask: ask.person.suspended),
    ("R02", set(MOMENTS), lambda ask: not ask.person.second_factor),
    ("R03", WORK | VOTES | SITS | ADMINS | LOGS, untrained),
    ("R04", WORK, unsigned),
    ("R05", MEMBERS, membership_over),
    (
        "R06",
        MEMBERS | VOTES | {"grant_exception", "prepare_extract", "break_glass"},
        lambda ask: ask.project.suspended or ask.project.closed,
    ),
    ("R07", ROOMS | ARRIVING | {"prepare_extract"}, lambda ask: over(ask) and not emergency(ask)),
    ("R08", WORK | {"prepare_extract", "break_glass"}, lambda ask: ask.project.retained_until <= ask.now),
    ("R09", DATA | LEAVING | {"vote_export", "grant_exception"}, unapproved),
    ("R10", DATA, lambda ask: ask.dataset.withdrawn),
    ("R11", DATA | LEAVING, too_early),
    ("R12", DATA, off_purpose),
    ("R13", ROOMS | DATA, lambda ask: not ask.project.combinable),
    ("R14", DATA, refused("NCU", "NPUNCU")),
    ("R15", DATA, refused("NPU")),
    ("R16", DATA, refused("IRB")),
    ("R17", DATA, refused("GS")),
    ("R18", DATA, refused("DS")),
    ("R19", {"mount"}, from_elsewhere),
    ("R20", LEAVING, may_not_leave),
    ("R21", LEFT, lambda ask: approvers(ask) < 2),
    ("R22", VOTES, may_not_vote),
    ("R23", LEFT | {"vote_export", "grant_exception", "vote_import", "import_file"}, unseen),
    (
        "R24",
        {"submit_export", "release_export"},
        lambda ask: ask.export.size > ask.export.quota - ask.export.spent,
    ),
    ("R25", LEFT, lambda ask: ask.export.blocked),
    ("R26", {"release_export"}, lambda ask: ask.export.approvals_until <= ask.now),
    (
        "R27",
        {"submit_export"},
        lambda ask: over(ask) and not (ask.project.lead and ask.project.grace_until > ask.now),
    ),
    ("R28", CHANGES, not_two_admins),
    ("R29", set(MOMENTS) - {"sign_in", "recall_export"}, out_of_role),
    ("R30", {"break_glass"}, glass_unbroken),
    ("R31", set(MOMENTS), lambda ask: not ask.log_stands),
    ("R32", LOGS, no_auditor),
    ("R33", {"open_session"}, lambda ask: not ask.project.alone),
    ("R34", ARRIVING | {"vote_import"}, unchecked),
    ("R35", LEAVING, wild_model),
    ("R36", {"mount"}, lambda ask: not ask.dataset.assessed),
    ("R37", JUDGES, partial),
    ("R38", {"decide_application"}, undecided),
    ("R39", {"submit_application", "decide_application"}, unfinished),
    ("R40", set(MOMENTS), lambda ask: not ask.clock_sound),
    ("R41", {"ask_recontact", "vote_recontact"}, lambda ask: not ask.recontact.contact),
    ("R42", {"grant_exception"}, no_exception),
    ("R43", {"recall_export"}, may_not_recall),
)


def reasons(ask: Ask) -> set[str]:
    """Ids of the rules that say no."""
    return {rule for rule, verbs, says_no in RULES if ask.verb in verbs and says_no(ask)}
