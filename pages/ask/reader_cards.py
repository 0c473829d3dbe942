"""Readers as HTML: those that are here, one under the other, and what the Hub says of one that is not."""

from __future__ import annotations

from datetime import datetime
from html import escape
from urllib.parse import urlencode

from pages.phrases import signed
from pages.readers import Shelf, key_of, label_of
from reader.hub_readers import HubReader
from reader.inventory import ReaderEntry, inventory
from reader.settings import read_number


def listing(shelf: Shelf, allowed: bool) -> str:
    """The readers here as HTML. ``allowed``: for somebody who may train, who sees and may do more."""
    held = {each.name: each.bytes for each in shelf.loaded()}
    entries = [(entry, held.pop(key_of(entry.name), None)) for entry in inventory()]
    shown = [(entry, memory) for entry, memory in entries if allowed or entry.origin != "hub" or memory is not None]
    items = "".join(_item(entry, memory, allowed) for entry, memory in shown)
    # Loaded under a name of its own: another revision's, or a folder's somewhere else.
    others = [name for name in held if allowed or not _is_path(name)]
    items += "".join(_other(name, held[name], allowed) for name in others)
    memory = sum(memory or 0 for _, memory in entries) + sum(held.values())
    count = sum(memory is not None for _, memory in entries) + len(held)
    most = read_number("READER_LOADED")
    loaded = f"{count} loaded, holding {size(memory)} of memory" if count else "None is loaded yet"
    return (
        f'<p class="quiet">{loaded}. At most {most} stay loaded (READER_LOADED); where another one is asked, the one '
        f'that was not asked for longest goes.</p><ul class="shelf">{items}</ul>'
    )


def _item(entry: ReaderEntry, memory: int | None, allowed: bool) -> str:
    facts = [size(entry.bytes), _parameters(entry.parameters), _architecture(entry), *entry.languages, entry.licence]
    source = f"{entry.source}, {_day(entry.made)}" if entry.made else entry.source
    acts = [] if entry.problem else [_button("ask", "Ask it", entry.name)]
    if allowed and memory is not None:
        acts.append(_button("unload", "Unload", entry.name))
    if allowed and entry.removable:
        acts.append(_button("sure", "Remove…", entry.name))
    if entry.job:
        acts.append(f'<a href="?{urlencode({"tab": "train", "job": entry.job})}">Its training</a>')
    return (
        f"<li><div><h3>{escape(entry.label)}</h3>{_state(memory)}<p>{escape(source)}</p>"
        f'<p class="quiet">{escape(" · ".join(filter(None, facts)))}</p></div>'
        f"<div>{_problem(entry) or _settings(entry)}</div>"
        f'<div><div class="acts">{"".join(acts)}</div>{_confirmation(entry) if allowed and entry.removable else ""}'
        "</div></li>"
    )


def _other(name: str, memory: int, allowed: bool) -> str:
    acts = _button("ask", "Ask it", name) + (_button("unload", "Unload", name) if allowed else "")
    source = "from a folder of this machine" if _is_path(name) else "from the Hub"
    return (
        f"<li><div><h3>{escape(label_of(name))}</h3>{_state(memory)}<p>{source}</p></div><div></div>"
        f'<div><div class="acts">{acts}</div></div></li>'
    )


def _confirmation(entry: ReaderEntry) -> str:
    return (
        f'<div class="confirm" hidden><p>Remove its {size(entry.bytes)} from this machine? They can be fetched again.'
        f"</p>{_button('remove', 'Remove', entry.name)}{_button('keep', 'Keep', entry.name)}</div>"
    )


def _button(act: str, says: str, name: str) -> str:
    return (
        f'<button class="small" data-act="{act}" data-name="{escape(name)}" '
        f'aria-label="{says} ({escape(name)})">{says}</button>'
    )


def _state(memory: int | None) -> str:
    if memory is None:
        return ""
    return f'<p class="loaded"><i aria-hidden="true">●</i> loaded, {size(memory)} of memory</p>'


def _problem(entry: ReaderEntry) -> str:
    return f'<p class="problem">{escape(entry.problem)}</p>' if entry.problem else ""


def _settings(entry: ReaderEntry) -> str:
    config = entry.config
    if config is None:
        return ""
    on = config.threshold_chosen_on
    chosen = on if on.startswith("not chosen") else f"chosen on {on}" if on else "not chosen on any data"
    return (
        f"<p>Reads {config.max_seq_length} tokens at a time, {config.doc_stride} of them again with the next; answers "
        f"of at most {config.max_answer_length}.</p><p>Threshold "
        f'{signed(config.null_score_diff_threshold)} <span class="quiet">{escape(chosen)}</span></p>'
    )


def card(found: HubReader, hint: str = "") -> str:
    """What was looked up, as HTML: what it is, how large, and whether it can be a reader here."""
    facts = [
        ("Task", f"{found.task or 'not told'}" + (f" ({found.architecture})" if found.architecture else "")),
        ("To fetch", f"{size(found.bytes)} in {len(found.files)} files"),
        ("Parameters", _parameters(found.parameters)),
        ("Licence", found.licence),
        ("Languages", ", ".join(found.languages)),
        ("Changed", f"{_day(found.modified)}, revision {found.commit[:7]}" if found.modified else found.commit[:7]),
        ("Downloads", f"{found.downloads:,} in the last 30 days" if found.downloads is not None else ""),
        ("Gated", "its terms have to be accepted on the Hub" if found.gated else ""),
    ]
    rows = "".join(f"<dt>{term}</dt><dd>{escape(says)}</dd>" for term, says in facts if says)
    if found.refusal:
        verdict = f'<p class="problem">{escape(found.refusal)}</p>'
    else:
        verdict = (
            f"<p>It fits: a reader, in safetensors, under the {read_number('READER_MAX_READER_MB'):,} MB allowed.</p>"
        )
    quiet = f'<p class="quiet">{escape(hint)}</p>' if hint and not found.refusal else ""
    return f'<div class="hub-reader" role="status"><h3>{escape(found.name)}</h3><dl>{rows}</dl>{verdict}{quiet}</div>'


def fetching(found: HubReader, arrived: int) -> str:
    """How far a fetch is, as HTML."""
    return (
        f'<div class="hub-reader" role="status"><p>Fetching {escape(found.name)}: {size(arrived)} of '
        f'{size(found.bytes)}</p><progress value="{arrived}" max="{max(1, found.bytes)}" aria-label="fetched">'
        '</progress><p class="quiet">It goes on when you close this page.</p></div>'
    )


# Words


def size(count: int) -> str:
    """Bytes in MB, or kB where they are few."""
    if count < 100_000:
        return f"{count / 1e3:,.0f}\u00a0kB"
    return f"{count / 1e6:,.{0 if count >= 9_950_000 else 1}f}\u00a0MB"


def _parameters(count: int | None) -> str:
    if not count:
        return ""
    if count < 100_000:
        return f"{count:,} parameters"
    return f"{count / 1e6:,.{0 if count >= 99_500_000 else 1}f}\u00a0M parameters"


def _architecture(entry: ReaderEntry) -> str:
    return entry.architecture.partition("ForQuestionAnswering")[0]


def _day(seconds: float | None) -> str:
    return f"{datetime.fromtimestamp(seconds):%d %b %Y}".lstrip("0") if seconds else ""


def _is_path(name: str) -> bool:
    return name.startswith(("/", "~", ".")) or "\\" in name
