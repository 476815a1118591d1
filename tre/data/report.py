"""What was measured and searched before an extract may be mounted, on one page that needs nothing else.

    page(report, label) -> str      HTML: no script, no link to anything, reads on a telephone and on paper
    public(report) -> dict          the same as JSON

`report` is what the records keep of the extract (`ExtractRow.report`). The page may lie beside the data and be shown
around, so a number of persons below the project's smallest is never told, only that it is below.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from tre.data import plots

Said = Mapping[str, Any]  # Any: JSON of the records; older reports have fewer keys

CHOICES = 63  # rows of the table of choices; the riskiest of more
BARS = 8
TENS = 10
COLUMNS = ("choice", "k", "alone", "small groups", "groups", "average", "highest", "l", "t")


def page(report: Said, label: Said, *, title: str = "Extract") -> str:
    """Write the page of one extract."""
    risk = report["risk"]
    parts = (
        _head(report, title),
        _figures(risk),
        _undone(report),
        _sizes(risk),
        _choices(risk),
        _search(report),
        _label(label),
        _words(risk),
    )
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: risk report</title><style>{_STYLE}</style></head>"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def public(report: Said) -> dict[str, object]:
    """Return the report without a number of persons that is below the smallest allowed."""
    risk = dict(report["risk"])
    smallest = int(risk["smallest"])
    risk["sizes"] = [[name, groups, told] for name, groups, told, _ in _by_size(risk)]
    risk["choices"] = [
        dict(choice)
        | {name: few(choice[name], smallest) for name in ("k", "uniques", "below")}
        | {"maximum": _highest(choice, smallest)}
        for choice in risk.get("choices", ())
    ]
    hidden = {name: few(risk[name], smallest) for name in ("persons", "k", "uniques", "below")}
    return {**report, "risk": risk | hidden | {"maximum": _highest(risk, smallest)}}


def few(count: int, smallest: int) -> int | str:
    """Return the number, or that it is too small to be told. Zero is a number of nobody."""
    return f"fewer than {smallest}" if 0 < count < smallest else count


def _by_size(risk: Said) -> Iterator[tuple[str, int | str, str | int, int]]:
    """Yield size, groups, persons as told, and as long as a bar may be.

    All sizes together are everybody: where one is hidden the others are told to the ten below, or it would be plain.
    """
    smallest = int(risk["smallest"])
    sizes = [tuple(each) for each in risk.get("sizes", ())]
    hides = any(0 < persons < smallest for _, _, persons in sizes)
    for name, groups, persons in sizes:
        if 0 < persons < smallest:
            yield name, "some", few(persons, smallest), smallest
        elif hides and persons:
            floor = persons // TENS * TENS
            yield name, "some", f"{floor:,} or more" if floor else "some", max(floor, smallest)
        else:
            yield name, groups, persons, persons


def _highest(found: Said, smallest: int) -> float | str:
    return f"above {1 / smallest:g}" if 0 < found["k"] < smallest else found.get("maximum", 0.0)


# --- parts of the page ------------------------------------------------------------------------------------------------
def _head(report: Said, title: str) -> str:
    passed = report.get("passed", False)
    verdict = "It passed every check: it may be mounted." if passed else "It did not pass: nobody can mount it."
    mark = "passed" if passed else "stopped"
    return f'<header><p class="kicker">Risk report</p><h1>{escape(title)}</h1><p class="{mark}">{verdict}</p></header>'


def _figures(risk: Said) -> str:
    smallest = risk["smallest"]
    pairs = (
        ("persons", _told(few(risk["persons"], smallest)), "in the extract"),
        ("smallest group (k)", _told(few(risk["k"], smallest)), f"asked: {smallest} or more"),
        ("alone in their group", _told(few(risk["uniques"], smallest)), "persons"),
        ("in groups too small", _told(few(risk["below"], smallest)), f"persons in groups below {smallest}"),
        ("average risk", _share(risk["average"]), "to pick out who is known to be here"),
        ("highest risk", _share(_highest(risk, smallest)), "of a person in the smallest group"),
    )
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{escape(value)}<small>{said}</small></dd></div>" for name, value, said in pairs
    )
    return f'<dl class="figures">{cells}</dl>'


def _undone(report: Said) -> str:
    """Say what to do about an extract that did not pass."""
    if report.get("passed", False):
        return ""
    steps = [*_of_risk(report["risk"]), *_of_search(report)]
    steps.append("Then register the plan again, ingest again, and apply for the new version.")
    return _section("What to do", "".join(["<ol>", *(f"<li>{escape(step)}</li>" for step in steps), "</ol>"]))


def _of_risk(risk: Said) -> Iterator[str]:
    for why in risk.get("failed", ()):
        yield f"{why[:1].upper()}{why[1:]}."
    if risk["k"] < risk["smallest"] and (worst := _worst(risk)):
        yield f"Make {worst} coarser in the plan first (generalise, bin, suppress), or drop it: it tells most apart."


def _worst(risk: Said) -> str:
    """Return the quasi-identifier without which the fewest persons are in groups too small."""
    names = risk["quasi_identifiers"]
    one_less = [choice for choice in risk.get("choices", ()) if len(choice["of"]) == len(names) - 1]
    if not one_less:
        return str(names[0]) if len(names) == 1 else ""
    best = min(one_less, key=lambda choice: (choice["below"], choice["classes"]))
    return str(next(iter(set(names) - set(best["of"]))))


def _of_search(report: Said) -> Iterator[str]:
    for one in report.get("leaks", {}).get("found", ()):
        yield f"{one['table']}.{one['column']} holds {one['how']}: drop it, or cut it in the plan."
    for one in report.get("search", {}).get("found", ()):
        how = f" ({one['how']})" if one["how"] else ""
        yield f"{one['file']} holds identifiers of persons{how}: mend the plan for it."
    for why in report.get("search", {}).get("unread", ()):
        yield f"{why}: it was not searched, so it does not pass."
    for name, _ in report.get("short", {}).get("found", ()):
        yield f"{name} holds short identifiers of its own persons: mend the plan for it."


def _sizes(risk: Said) -> str:
    if not risk.get("sizes"):
        return ""
    bars = [
        plots.Bar(_size(name), shown, _brief(told), low=at == 0 and shown > 0)
        for at, (name, _, told, shown) in enumerate(_by_size(risk))
    ]
    said = "How many persons stand in groups of which size, by all quasi-identifiers together."
    return _section("Size of groups", f"<p>{said}</p>{plots.columns(bars)}")


def _size(name: str) -> str:
    """Write `fewer than 5` and `50 and more` so that they stand below a bar on a telephone."""
    return name.replace("fewer than ", "< ").replace(" and more", "+")


def _choices(risk: Said) -> str:
    choices = list(risk.get("choices", ()))
    if not choices:
        return _section("Quasi-identifiers", "<p>The plan names none, so no group was made.</p>")
    smallest = risk["smallest"]
    shown = sorted(choices, key=lambda each: (-each["uniques"], -each["below"], len(each["of"])))[:CHOICES]
    bars = [
        plots.Bar(_names(each), each["uniques"], _told(few(each["uniques"], smallest)), low=each["uniques"] > 0)
        for each in shown[:BARS]
    ]
    rows = "".join(_choice(each, smallest) for each in shown)
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    looked = f"{len(choices)} choices of {len(risk['quasi_identifiers'])} quasi-identifiers were measured"
    left = risk.get("not_looked", 0)
    looked += f"; {left} were not, so the extract does not pass." if left else "; none was left out."
    more = f" The {CHOICES} riskiest are shown." if len(choices) > CHOICES else ""
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    plot = plots.rows(bars[:12], hide=smallest)
    return _section(
        "By choice of quasi-identifiers", f"<p>{looked}{more}</p><h3>Persons who are alone</h3>{plot}{table}"
    )


def _choice(each: Said, smallest: int) -> str:
    numbers = (few(each["k"], smallest), few(each["uniques"], smallest), few(each["below"], smallest), each["classes"])
    cells = [*map(_brief, numbers), _share(each["average"]), _brief(_share(_highest(each, smallest)))]
    cells += [_told(each["l"]), "-" if each["t"] is None else f"{each['t']:.2f}"]
    small = ' class="low"' if each["k"] < smallest else ""
    return (
        f'<tr{small}><th scope="row">{escape(_names(each))}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
    )


def _search(report: Said) -> str:
    leaks, swept = report.get("leaks", {}), report.get("search", {})
    found = list(_of_search(report))
    lines = []
    if leaks:
        lines.append(
            f"{leaks['identifiers']:,} identifiers of the source were looked for in {leaks['cells']:,} cells of"
            f" {len(leaks['columns'])} columns."
        )
    if "files" in swept and isinstance(swept["files"], int):
        lines.append(f"{swept['files']:,} files were read byte by byte, packed ones unpacked.")
    lines.append(f"{len(found)} places need mending; see above." if found else "None was found.")
    lines += [f"Not searched: {each}." for each in leaks.get("not_searched", ())]
    return _section("Search for identifiers", "".join(f"<p>{escape(line)}</p>" for line in lines))


def _label(label: Said) -> str:
    if not label:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(line["place"])}</th><td>{escape(line["action"])}</td>'
        f"<td>{escape(line['row'])}</td><td>{escape(line['reason'])}</td></tr>"
        for line in label["lines"]
    )
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in label["notes"])
    stops = "".join(
        f"<details><summary>What stops it from meeting {escape(title)}</summary><ul>{_items(against)}</ul></details>"
        for title, against in label["stops"].items()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("column", "what was done", "row", "why"))
    table = f'<div class="wide"><table class="words"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    said = f"<p><strong>{escape(label['title'])}</strong> {escape(label['source'])}</p>"
    return _section("Label", f"{said}{notes}{table}{stops}")


def _words(risk: Said) -> str:
    """Say what the figures mean, and what was asked."""
    close = ", ".join(f"{name} {one['distance']}" for name, one in risk.get("closeness", {}).items())
    terms = (
        ("k", "persons in the smallest group of those who share all values"),
        ("l", "fewest different sensitive values in a group"),
        ("t", "how far a group's sensitive values are from everybody's: 0 the same, 1 as far as can be"),
        ("risk", "chance to pick out a person who is known to be in the extract: one in the size of the group"),
    )
    listed = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in terms)
    said = ["Persons are counted, never rows.", f"Distance for t: {close}." if close else "", _asked(risk)]
    return _section("Words", f'<dl class="terms">{listed}</dl><p>{escape(" ".join(filter(None, said)))}</p>')


def _asked(risk: Said) -> str:
    asked = risk.get("thresholds")
    if not asked:
        return ""
    return (
        f"Asked beside k: l {asked['l']} or more, t {asked['t']:g} or less, highest risk {asked['maximum']:g} or less,"
        f" average risk {asked['average']:g} or less."
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _names(choice: Said) -> str:
    return ", ".join(choice["of"])


def _told(value: float | str | None) -> str:
    return value if isinstance(value, str) else "-" if value is None else f"{value:,}"


def _brief(value: float | str | None) -> str:
    """Tell it so that it fits a cell."""
    return _told(value).replace("fewer than", "<").replace("above", ">").replace(" or more", "+")


def _share(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def to_json(report: Said) -> str:
    """Write what the page shows for machines."""
    return json.dumps(public(report), sort_keys=True)


_STYLE = """
:root{color-scheme:light dark;--paper:#f7f6f2;--card:#fff;--ink:#1d2521;--soft:#55605a;--line:#dcdad1;--leaf:#1f5a43;
--leaf-wash:#e4efe8;--stop:#a3261f;--stop-wash:#fbe9e6;--bar:#2b6f9e}
@media (prefers-color-scheme:dark){:root{--paper:#131815;--card:#1b221e;--ink:#e7ece8;--soft:#a5b1aa;--line:#2f3934;
--leaf:#8fd0ab;--leaf-wash:#1f3329;--stop:#ff9d92;--stop-wash:#3a1f1c;--bar:#7cc0f5}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.7rem;line-height:1.2;margin:.1rem 0 .6rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .6rem}h3{font-size:1rem;margin:1rem 0 .4rem;color:var(--soft)}
.kicker{margin:0;color:var(--soft)}
.passed,.stopped{display:inline-block;margin:0 0 1rem;padding:.35rem .8rem;border-radius:.4rem;font-weight:600}
.passed{background:var(--leaf-wash);color:var(--leaf)}.stopped{background:var(--stop-wash);color:var(--stop)}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem;margin:1rem 0}
p{margin:.4rem 0;overflow-wrap:anywhere}.note{border-left:3px solid var(--line);padding-left:.7rem;color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.6rem;margin:0}
.figures div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .8rem}
.figures dt{color:var(--soft);font-size:.85rem}.figures dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums}
.figures small{display:block;font-size:.78rem;color:var(--soft);line-height:1.3}
.terms{display:grid;grid-template-columns:auto 1fr;gap:.2rem .8rem;margin:0}.terms dt{font-weight:600}
.terms dd{margin:0}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th[scope=row],th[scope=col]:first-child{text-align:left}th[scope=row]{font-weight:400;min-width:9rem;overflow-wrap:anywhere}
td{white-space:nowrap}.words td{white-space:normal}.words td:last-child{min-width:13rem}
thead th{color:var(--soft);font-weight:600;white-space:nowrap}.words th,.words td{text-align:left}
tr.low td:nth-child(2){color:var(--stop);font-weight:600}
svg{display:block;width:100%;max-width:44rem}svg text{fill:var(--ink);font:13px system-ui,sans-serif}
svg text[text-anchor=end]{paint-order:stroke;stroke:var(--card);stroke-width:8px}
svg .bar{fill:var(--bar)}svg .low{fill:var(--stop)}svg .axis{stroke:var(--line)}svg .soft{fill:var(--soft)}
details{margin:.6rem 0}summary{cursor:pointer;font-weight:600}li{margin:.25rem 0;overflow-wrap:anywhere}
@media (max-width:30rem){.figures{grid-template-columns:1fr 1fr}main{padding:1rem .7rem 2rem}}
@media print{body{background:#fff;color:#000;font-size:11pt}section,.figures div{break-inside:avoid;border-color:#999}
.wide{overflow:visible}details>*{display:block}}
"""
