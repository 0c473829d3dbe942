"""The walls of the house: who imports whom, what the light half never loads, and that an import does nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIGHT = (
    *("examples", "postprocess", "metrics", "rouge_scores", "results", "comparison", "jobs", "settings", "errors"),
    *("slices", "filters", "calibration", "exports", "report", "leaderboard", "bench"),
    *("behaviour", "perturbations", "texts", "text_parsers", "text_pdf"),
    *("answers", "teaching", "inspection", "seen", "names", "turns"),
)
# The command line too, so that --help, settings, runs and score answer at once.
QUICK = (
    *("cli", "commands", "train_command", "recipes", "training_data", "model_card", "launch", "publish"),
    *("inventory", "hub_readers"),
)
HEAVY = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "safetensors")
LAZY = (*HEAVY, "rouge", "scipy", "huggingface_hub", "gradio", "plotly")
TRAINING = {
    *("learning", "teachers", "trainer", "held_out", "finetune", "preflight"),
    *("training_data", "negatives", "train_command", "model_card"),
}


def modules(folder: str) -> dict[str, Path]:
    """The modules of a folder, by their names in it: ``ask.tab`` is pages/ask/tab.py."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return {".".join(path.relative_to(ROOT / folder).with_suffix("").parts): path for path in paths}


def imported(path: Path) -> set[str]:
    """What a file imports when it runs, inside functions too, as dotted names; what is for the types only is not."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def of_package(names: set[str], package: str, known: dict[str, Path]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")} & set(known)


@pytest.mark.parametrize("path", modules("reader").values(), ids=lambda path: path.stem)
def test_the_library_knows_no_page(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    assert not roots & {"app", "pages", "gradio", "plotly", "tests"}


@pytest.mark.parametrize("path", modules("pages").values(), ids=lambda path: path.stem)
def test_a_page_knows_neither_the_app_nor_the_command_line(path: Path) -> None:
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & {"app", "tests"}
    assert not of_package(names, "reader", modules("reader")) & {"cli", "commands", "train_command", "__main__"}


@pytest.mark.parametrize("tab", ["ask", "train", "judge"])
def test_a_tab_knows_no_other_tab(tab: str) -> None:
    others = {"ask", "train", "judge"} - {tab}
    for name, path in modules("pages").items():
        if name.startswith(f"{tab}."):
            found = {each.split(".")[1] for each in imported(path) if each.startswith("pages.")}
            assert not found & others, name


def test_nothing_in_the_library_imports_in_a_circle() -> None:
    known = modules("reader")
    graph = {name: of_package(imported(path), "reader", known) for name, path in known.items()}
    # The lost pipeline is made by the reader that it calls.
    graph["predictor"].discard("pipeline")
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")


def test_only_the_command_line_reaches_the_training_half() -> None:
    known = modules("reader")
    users = {
        name: sorted(of_package(imported(path), "reader", known) & TRAINING)
        for name, path in known.items()
        if name not in TRAINING | {"cli"}
    }
    assert {name: used for name, used in users.items() if used} == {}


def fresh(script: str) -> str:
    """Run a script in a process of its own and return what it prints."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.parametrize("light", [LIGHT, QUICK], ids=["the light half", "the command line"])
def test_it_imports_neither_torch_nor_transformers(light: tuple[str, ...]) -> None:
    script = (
        "import importlib, sys\n"
        f"for name in {light!r}:\n"
        "    importlib.import_module(f'reader.{name}')\n"
        f"    print(name, *[heavy for heavy in {LAZY!r} if heavy in sys.modules])\n"
    )
    assert fresh(script).splitlines() == list(light)


def test_importing_everything_opens_no_model_no_data_and_no_connection() -> None:
    script = """
import importlib, sys
seen = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
        seen.append((event, str(arguments)[:200]))
    if event == "open" and str(arguments[0]).endswith((".safetensors", "starter.json", ".parquet", "tokenizer.json")):
        seen.append((event, str(arguments[0])))
sys.addaudithook(watch)
import reader.evaluation, reader.pipeline, reader.cli
print(len(seen), seen)
import reader.finetune
print(len([one for one in seen if one[0] != "subprocess.Popen"]), seen)
"""
    assert [line.split()[0] for line in fresh(script).splitlines()] == ["0", "0"]


def test_help_settings_and_runs_load_nothing_heavy(tmp_path: Path) -> None:
    script = f"""
import contextlib, io, os, sys
os.environ["READER_HOME"] = {str(tmp_path)!r}
from reader.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    for words in (["settings"], ["settings", "--json"], ["runs"], ["runs", "--json"]):
        assert main(words) == 0, words
    with contextlib.suppress(SystemExit):
        main(["train", "--help"])
print(*[heavy for heavy in {LAZY!r} if heavy in sys.modules])
"""
    assert fresh(script) == ""
