"""The README says what is so: Space front matter, settings, files and commands."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from reader.cli import parser
from reader.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
REQUIREMENTS = [
    Requirement(line.partition("#")[0].strip())
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    if line.partition("#")[0].strip()
]


def front_matter() -> dict[str, object]:
    return dict(yaml.safe_load(README.split("---\n")[1]))


def test_the_space_installs_a_gradio_that_the_requirements_allow() -> None:
    front = front_matter()
    gradio = next(each for each in REQUIREMENTS if each.name == "gradio")
    assert front["sdk"] == "gradio"
    assert gradio.specifier.contains(str(front["sdk_version"]))


def test_the_space_runs_the_app_on_a_python_that_the_project_takes() -> None:
    front = front_matter()
    assert (ROOT / str(front["app_file"])).is_file()
    assert re.fullmatch(r"3\.(1[1-9])", str(front["python_version"]))
    assert len(str(front["short_description"])) <= 60
    assert front["hf_oauth"] is True
    assert front["hf_oauth_scopes"] == ["manage-repos"], "to make a repository for what was trained"


def test_every_requirement_is_bounded_below() -> None:
    for each in REQUIREMENTS:
        assert any(one.operator == ">=" for one in each.specifier), each


def test_torch_stays_in_the_range_that_was_tried() -> None:
    torch = next(each for each in REQUIREMENTS if each.name == "torch")
    assert not torch.specifier.contains("2.14.0")
    assert torch.specifier.contains("2.8.0") and torch.specifier.contains("2.13.0")


def test_every_setting_is_listed_with_its_default() -> None:
    for setting in SETTINGS:
        row = next((line for line in README.splitlines() if line.startswith(f"| `{setting.name}` |")), "")
        assert setting.default in row and setting.help in row, setting.name


def test_every_command_that_is_shown_exists() -> None:
    shown = set(re.findall(r"python -m reader (\w+)", README))
    verbs = next(action.choices for action in parser()._actions if isinstance(action.choices, dict))
    assert shown and shown <= set(verbs)


def test_every_file_that_is_linked_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_no_figure_is_left_open() -> None:
    assert "@@" not in README
