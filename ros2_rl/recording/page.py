"""A report as one HTML page that needs nothing beside it."""

from collections.abc import Iterable, Sequence
from html import escape

from ros2_rl.recording import tables
from ros2_rl.recording.run_data import RunData

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 1100px; color: #222; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 2em; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: .5em 0; } td, th { padding: 2px 10px; text-align: left;
border-bottom: 1px solid #eee; vertical-align: top; overflow-wrap: anywhere; max-width: 40em; }
th { font-weight: 600; } td.differs { background: #fff3cd; }
.runs { display: flex; gap: 2em; } .runs > div { flex: 1; min-width: 0; }
svg { width: 100%; height: auto; } .warning { background: #f8d7da; padding: .5em 1em; }
summary { cursor: pointer; margin: .3em 0; }
"""


def page(runs: Sequence[RunData], figures: Iterable[tuple[str, str]]) -> str:
    """The whole page; ``figures``: title and SVG of each."""
    title = " and ".join(run.name for run in runs)
    parts = [f"<h1>{escape(title)}</h1>", *_warnings(runs)]
    names = [run.name for run in runs]
    parts += ["<h2>Figures</h2>", _compared(names, tables.key_figures(runs))]
    for heading, svg in figures:
        parts += [f"<h2>{escape(heading)}</h2>", svg]
    parts.append("<h2>Events</h2>")
    parts.append(_columns(runs, [("s", "mode", "reason", "actor", "falls")], tables.events))
    parts.append("<h2>Health at the end</h2>")
    parts.append(_columns(runs, [("node", "says", "figures")], tables.health))
    parts.append("<h2>Configuration</h2>")
    for heading, rows in tables.settings(runs):
        body = _compared(names, rows)
        parts.append(f"<details><summary>{escape(heading)}</summary>{body}</details>")
    parts.append("<h2>Record</h2>")
    parts.append(_columns(runs, [("topic", "type", "messages", "1/s", "lost")], tables.contents))
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _warnings(runs: Sequence[RunData]) -> list[str]:
    """What a reader must know before he believes the figures."""
    found = [run.bag.damage for run in runs if run.bag.damage]
    for run in runs:
        told = run.bag.notes.get("recorder", {})
        if told.get("lost", "0") != "0":
            found.append(f"{run.name}: {told['lost']} messages did not reach the recorder.")
        if told.get("ended"):
            found.append(f"{run.name}: recording ended early, {told['ended']}.")
    return [f"<p class='warning'>{escape(text)}</p>" for text in found]


def _compared(names: Sequence[str], rows: tables.Table) -> str:
    """A column a run; what differs is marked."""
    body = ""
    for name, values in rows:
        cells = "".join(_cell(value, len(set(values)) > 1) for value in values)
        body += f"<tr><th>{escape(name)}</th>{cells}</tr>"
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _cell(value: str, differs: bool) -> str:
    return f"<td{' class=differs' if differs else ''}>{escape(value)}</td>"


def _columns(runs: Sequence[RunData], head: list[tuple[str, ...]], rows_of) -> str:
    """A table a run, side by side."""
    found = []
    for run in runs:
        lines = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in row)}</tr>" for row in head]
        lines += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows_of(run)]
        name = f"<b>{escape(run.name)}</b>" if len(runs) > 1 else ""
        found.append(f"<div>{name}<table>{''.join(lines)}</table></div>")
    return f"<div class='runs'>{''.join(found)}</div>"
