"""A verdict for people: the page that is kept in the store, and its short form for the webserver."""

import html

from match_assets.gates.verdict import ROWS_SHOWN, Failure, Verdict

STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1c2733}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;font-size:13px}"
    "td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #dde3ea;white-space:nowrap}"
    ".scroll{overflow-x:auto}.error{color:#b3261e}.warning{color:#8a5a00}.passed{color:#1b6e3c}"
)


def html_report(verdict: Verdict, title: str) -> str:
    """The verdict as an HTML page that stands alone: rules, counts, remedies, rows, measures."""
    heading = html.escape(title)
    state, kind = ("passed", "passed") if verdict.passed else ("refused", "error")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{heading}</title><style>{STYLE}</style>',
        f'<h1>{heading}</h1><p><b class="{kind}">{state}</b>: {html.escape(verdict.summary())}</p>',
    ]
    if verdict.subject and verdict.subject != title:
        parts.append(f"<p>{html.escape(verdict.subject)}</p>")
    parts += [_section(failure) for failure in verdict.failures]
    measures = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value:g}</td></tr>" for name, value in verdict.measures.items()
    )
    parts.append(f"<h2>Measures</h2><table>{measures}</table></html>")
    return "".join(parts)


def _section(failure: Failure) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in failure.rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{'' if value is None else html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in failure.rows.rows()
    )
    shown = f", the first {failure.rows.height} below" if 0 < failure.rows.height < failure.count else ""
    said = f"<p>{html.escape(failure.explanation)}</p>" if failure.explanation else ""
    return (
        f'<h2>{html.escape(failure.rule)}</h2><p><b class="{failure.severity}">{failure.severity}</b>, '
        f"{failure.count} times{shown}.</p>{said}<p><i>{html.escape(failure.what_to_do)}</i></p>"
        + (f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>' if head else "")
    )


def markdown_report(verdict: Verdict) -> str:
    """One line a rule, errors first, each with what to do about it; the rows stand in the table beside it."""
    ordered = sorted(verdict.failures, key=lambda failure: failure.severity)
    return "\n".join(
        f"- **{_plain(failure.rule)}** ({failure.severity}, {failure.count}): {_plain(failure.explanation) or 'see the rows'}."
        f" *{failure.what_to_do}*" + (f" {ROWS_SHOWN} rows are shown." if failure.count > ROWS_SHOWN else "")
        for failure in ordered
    )


def _plain(text: str) -> str:
    """Text of the source as text: no markup and no line break of its own."""
    escaped = html.escape(" ".join(text.split()))
    return "".join(f"\\{sign}" if sign in "\\*_`[]|#" else sign for sign in escaped).rstrip(".")
