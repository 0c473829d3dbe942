"""How everything looks: the one place for colours, in light and dark.

A quiet reading room: warm paper, one accent, system fonts (nothing is fetched from anywhere), no shadows.
Outcomes wear the colours of Okabe and Ito, which colour-blind eyes can tell apart, and always a word with them.
Texts and lines keep a contrast of at least 4.5 : 1 and 3 : 1 (WCAG AA); `tests/pages/test_theme.py` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

STYLES = [
    Path(__file__).parent / f"{name}.css"
    for name in (
        "style",
        "ask/ask",
        *("train/train", "train/compare"),
        *("judge/judge", "judge/article", "judge/views"),
        *("ask/teaching", "ask/many", "ask/reader_shelf", "ask/inside"),
    )
]
FAVICON = Path(__file__).parent / "favicon.svg"

OUTCOME_COLORS: dict[str, str] = {
    "correct": "#009E73",
    "abstained": "#009E73",
    "partial": "#56B4E9",
    "wrong_span": "#D55E00",
    "missed": "#E69F00",
    "false_answer": "#CC79A7",
}
"""Colour of each outcome, in charts and tables alike; light and dark."""

OUTCOME_WORDS: dict[str, str] = {
    "correct": "correct",
    "abstained": "rightly abstained",
    "partial": "partial",
    "wrong_span": "wrong span",
    "missed": "missed",
    "false_answer": "false answer",
}
"""What each outcome is called on the page."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, as CSS hex."""

    paper: str  # the page
    surface: str  # what can be typed into
    shade: str  # table heads, quiet buttons
    line: str  # separates
    edge: str  # bounds a control (3 : 1)
    ink: str
    quiet: str  # second-rank text (4.5 : 1)
    accent: str
    accent_strong: str  # hovered
    on_accent: str
    mark: str  # the predicted answer's fill
    mark_edge: str  # and its outline (3 : 1)
    on_mark: str
    alarm: str  # errors


LIGHT = Palette(
    paper="#FCFBF8",
    surface="#FFFFFF",
    shade="#F3F0E9",
    line="#DFDAD0",
    edge="#8A8478",
    ink="#23211D",
    quiet="#625D54",
    accent="#0069A8",
    accent_strong="#00527F",
    on_accent="#FFFFFF",
    mark="#FFE493",
    mark_edge="#A67C00",
    on_mark="#23211D",
    alarm="#B3261E",
)

DARK = Palette(
    paper="#17191C",
    surface="#1E2125",
    shade="#262A2F",
    line="#373C43",
    edge="#7C828A",
    ink="#E9E6E0",
    quiet="#ABA79F",
    accent="#6DB9EC",
    accent_strong="#9AD0F5",
    on_accent="#0A1620",
    mark="#5E4D0E",
    mark_edge="#A98F2C",
    on_mark="#FFF6D8",
    alarm="#FF8A80",
)

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

_TEXT = gr.themes.Size(
    name="readerboard", xxs="12px", xs="12px", sm="13px", md="15px", lg="16px", xl="20px", xxl="26px"
)
_SPACING = gr.themes.Size(name="readerboard", xxs="1px", xs="2px", sm="4px", md="8px", lg="10px", xl="12px", xxl="20px")
_RADIUS = gr.themes.Size(name="readerboard", xxs="1px", xs="2px", sm="3px", md="4px", lg="4px", xl="6px", xxl="8px")


def _hue(name: str, shades: tuple[str, ...]) -> gr.themes.Color:
    return gr.themes.Color(*shades, name=name)


# Gradio's own parts take shades of a hue here and there; these lead from paper to ink.
_NEUTRAL = _hue(
    "paper",
    ("#FCFBF8", "#F3F0E9", "#E7E2D8", "#CFC9BC", "#A39D90", "#7A746A",
     "#625D54", "#47433C", "#2B2925", "#1E2125", "#17191C"),
)  # fmt: skip
_ACCENT = _hue(
    "accent",
    ("#EEF6FC", "#DCECF8", "#BBDCF2", "#8CC5EB", "#6DB9EC", "#0069A8",
     "#005F99", "#00527F", "#004266", "#00334F", "#00263B"),
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Gradio's theme in our colours; what it has no variable for stands in style.css and each tab's own."""
    look = gr.themes.Base(
        primary_hue=_ACCENT,
        secondary_hue=_ACCENT,
        neutral_hue=_NEUTRAL,
        text_size=_TEXT,
        spacing_size=_SPACING,
        radius_size=_RADIUS,
        font=SANS,
        font_mono=MONO,
    )
    both = {
        "body_background_fill": "paper",
        "background_fill_primary": "paper",
        "background_fill_secondary": "shade",
        "block_background_fill": "paper",
        "panel_background_fill": "paper",
        "body_text_color": "ink",
        "body_text_color_subdued": "quiet",
        "block_info_text_color": "quiet",
        "block_label_text_color": "quiet",
        "block_title_text_color": "quiet",
        "block_label_background_fill": "paper",
        "border_color_primary": "line",
        "border_color_accent": "accent",
        "block_border_color": "line",
        "color_accent_soft": "shade",
        "link_text_color": "accent",
        "link_text_color_active": "accent_strong",
        "link_text_color_hover": "accent_strong",
        "link_text_color_visited": "accent",
        "input_background_fill": "surface",
        "input_border_color": "edge",
        "input_border_color_hover": "ink",
        "input_border_color_focus": "accent",
        "input_placeholder_color": "quiet",
        "checkbox_background_color": "surface",
        "checkbox_background_color_selected": "accent",
        "checkbox_border_color": "edge",
        "checkbox_border_color_hover": "ink",
        "checkbox_border_color_selected": "accent",
        "checkbox_label_background_fill": "paper",
        "checkbox_label_background_fill_hover": "shade",
        "checkbox_label_background_fill_selected": "shade",
        "checkbox_label_border_color": "edge",
        "checkbox_label_border_color_selected": "accent",
        "error_background_fill": "paper",
        "error_border_color": "alarm",
        "error_text_color": "alarm",
        "error_icon_color": "alarm",
        "code_background_fill": "shade",
        "slider_color": "accent",
        "stat_background_fill": "accent",
        "loader_color": "accent",
        "table_border_color": "line",
        "table_even_background_fill": "paper",
        "table_odd_background_fill": "paper",
        "table_row_focus": "shade",
        "button_primary_background_fill": "accent",
        "button_primary_background_fill_hover": "accent_strong",
        "button_primary_border_color": "accent",
        "button_primary_border_color_hover": "accent_strong",
        "button_primary_text_color": "on_accent",
        "button_secondary_background_fill": "paper",
        "button_secondary_background_fill_hover": "shade",
        "button_secondary_border_color": "edge",
        "button_secondary_border_color_hover": "ink",
        "button_secondary_text_color": "ink",
        "button_cancel_background_fill": "paper",
        "button_cancel_background_fill_hover": "shade",
        "button_cancel_border_color": "alarm",
        "button_cancel_border_color_hover": "alarm",
        "button_cancel_text_color": "alarm",
    }
    values: dict[str, str] = {}
    for variable, colour in both.items():
        values[variable] = getattr(LIGHT, colour)
        values[f"{variable}_dark"] = getattr(DARK, colour)
    look.set(
        **values,
        color_accent="var(--rb-accent)",  # the one colour that Gradio keeps the same in both themes
        block_border_width="0px",
        block_padding="0",
        block_label_text_size="*text_sm",
        block_title_text_size="*text_sm",
        block_title_text_weight="500",
        block_radius="*radius_md",
        block_info_text_size="*text_sm",
        input_border_width="1px",
        input_radius="*radius_md",
        input_text_size="*text_md",
        input_padding="*spacing_lg",
        button_border_width="1px",
        button_large_text_size="*text_md",
        button_large_text_weight="600",
        button_medium_text_weight="500",
        button_transition="background-color .15s, border-color .15s",
        checkbox_border_width="1px",
        shadow_drop="none",
        shadow_drop_lg="none",
        shadow_inset="none",
        layout_gap="*spacing_xxl",
        section_header_text_size="*text_lg",
        section_header_text_weight="600",
    )
    return look


def head() -> str:
    """Our colours as CSS variables, ``--rb-…``, and the style sheets, for the page's head.

    Not for Gradio's ``css``: that one writes every rule anew and breaks ``:is(a, b)`` and shorthands with ``var()``.
    """
    colours = f":root {{{_variables(LIGHT)}}}\n:root.dark, .dark {{{_variables(DARK)}}}\n"
    sheets = "\n".join(sheet.read_text(encoding="utf-8") for sheet in STYLES)
    return f"<style>{colours}{sheets}</style>"


def _variables(palette: Palette) -> str:
    colours = {name: getattr(palette, name) for name in Palette.__dataclass_fields__}
    outcomes = {f"outcome-{name}": colour for name, colour in OUTCOME_COLORS.items()}
    lines = {**colours, **outcomes}
    return " ".join(f"--rb-{name.replace('_', '-')}: {colour};" for name, colour in lines.items())
