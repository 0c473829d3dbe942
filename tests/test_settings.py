"""Settings come from the environment, have defaults, and refuse what they cannot mean with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from reader.errors import BadUsage
from reader.settings import SETTINGS, home, read_number, read_setting


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)


def test_names_are_unique_and_every_default_is_a_value_the_setting_takes():
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    for setting in SETTINGS:
        assert read_setting(setting.name) == setting.default
        assert setting.help.endswith(".")


def test_the_environment_wins_and_a_blank_value_counts_as_unset(monkeypatch):
    monkeypatch.setenv("READER_MAX_DATA_MB", " 7 ")
    assert read_number("READER_MAX_DATA_MB") == 7
    monkeypatch.setenv("READER_MAX_DATA_MB", "  ")
    assert read_number("READER_MAX_DATA_MB") == 200


@pytest.mark.parametrize("value", ["yes", "ON", "owner,off"])
def test_training_takes_its_three_words_only(monkeypatch, value):
    monkeypatch.setenv("READER_TRAINING", value)
    with pytest.raises(BadUsage, match=f"READER_TRAINING is '{value}'; expected one of: on, owner, off"):
        read_setting("READER_TRAINING")


@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many", "٣", "9" * 5000])
def test_numbers_are_whole_and_positive(monkeypatch, value):
    monkeypatch.setenv("READER_LOADED", value)
    with pytest.raises(BadUsage, match=r"READER_LOADED is .* expected a whole number from 1, such as 2"):
        read_number("READER_LOADED")


def test_home_is_absolute_and_knows_the_tilde(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert home() == tmp_path / "runs"
    monkeypatch.setenv("READER_HOME", "~/board")
    assert home() == (Path.home() / "board").resolve()


def test_a_home_that_is_a_file_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("READER_HOME", str(file))
    with pytest.raises(BadUsage, match="which is a file; expected a folder"):
        home()
