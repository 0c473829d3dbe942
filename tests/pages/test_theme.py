"""The colours can be read (WCAG 2.2 AA), the numbers from the definition of relative luminance."""

from __future__ import annotations

import pytest

from pages.theme import DARK, LIGHT, OUTCOME_COLORS, OUTCOME_WORDS, Palette, head, theme


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_as_defined() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(palette: Palette) -> None:
    for ground in (palette.paper, palette.surface, palette.shade):
        for ink in (palette.ink, palette.quiet, palette.accent, palette.accent_strong, palette.alarm):
            assert contrast(ink, ground) >= 4.5
    assert contrast(palette.on_accent, palette.accent) >= 4.5
    assert contrast(palette.on_accent, palette.accent_strong) >= 4.5
    assert contrast(palette.on_mark, palette.mark) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_controls_and_marks_can_be_seen(palette: Palette) -> None:
    for ground in (palette.paper, palette.surface, palette.shade):
        assert contrast(palette.edge, ground) >= 3
    assert contrast(palette.mark_edge, palette.paper) >= 3


def test_every_outcome_has_a_colour_and_a_word() -> None:
    assert OUTCOME_COLORS.keys() == OUTCOME_WORDS.keys()
    assert len(set(OUTCOME_WORDS.values())) == len(OUTCOME_WORDS)


def test_nothing_is_fetched_from_elsewhere() -> None:
    sent = head() + theme()._get_theme_css()
    assert "@import" not in sent and "@font-face" not in sent
    assert "http" not in sent.replace("http://www.w3.org/2000/svg", "")
