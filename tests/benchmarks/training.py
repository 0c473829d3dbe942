"""Measure what `train --check` foretells against the very run that it foretells.

    python -m tests.benchmarks.training [--base embedded] [--data starter] [--steps 40] [--json] [OPTION OF TRAIN …]

First the check, then the run, each as a process of its own with the same options. Nothing is held out, so that neither
evaluates, which would need `rouge` too. `--base bert-base-shape` makes a fresh encoder of BERT-base's shape with the
embedded reader's tokenizer, so that one of that size can be measured offline. What is not known here goes to both, such
as `--precision fp32`.

The run's seconds per step are those of all its steps, from the begin of the first one, which is slower, to the end of
the last one. Memory is the process's peak on a CPU; on a GPU what the check says is reserved, and what the run says is
all that is taken of the device, looked at every few seconds. On a GPU in bf16 there is also the model FLOPs
utilization: 6 FLOPs for each parameter and token, padding not counted, of those that it could do.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BERT_BASE = "bert-base-shape"
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # a second, in bf16, without sparsity


def make_bert_base(folder: Path) -> None:
    """Write an encoder of BERT-base's shape with random weights, and the embedded reader's tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from reader.checkpoints import EMBEDDED, quiet

    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    torch.manual_seed(0)
    with quiet():
        BertModel(BertConfig(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def check(words: Sequence[str]) -> dict[str, Any]:
    """What ``train --check`` says, and the seconds in which it says so."""
    begun = time.monotonic()
    said = subprocess.run([*words, "--check", "--json"], stdout=subprocess.PIPE, text=True)
    if said.returncode:
        raise SystemExit("The check has failed; its message is above.")
    return {**json.loads(said.stdout), "check_seconds": time.monotonic() - begun}


def run(words: Sequence[str], out: Path) -> dict[str, Any]:
    """Do the run; its seconds, its peak memory and what it told last."""
    begun = time.monotonic()
    process = subprocess.Popen([*words, "--out", str(out), "--json"], stdout=subprocess.DEVNULL)
    progress = out.with_name(f"{out.name}.training") / "progress.jsonl"
    while not progress.exists():
        if process.poll() is not None:
            raise SystemExit("The run has failed; its message is above.")
        time.sleep(0.05)
    # The run removes the file in the end; who has it open can still read it.
    with progress.open(encoding="utf-8") as lines:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        events = [json.loads(line) for line in lines]
    if process.returncode:
        raise SystemExit("The run has failed; its message is above.")
    steps = [event for event in events if event["event"] == "step"]
    last = steps[-1]
    return {
        "seconds": seconds,
        "steps": last["step"],
        "processes": next(event["processes"] for event in events if event["event"] == "start"),
        "windows_per_second": last["examples_per_second"],
        "tokens_per_second": last["tokens_per_second"],
        "device_memory": max(step["memory"] for step in steps),
        "process_memory": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def parameters(reader: Path) -> int:
    """How many numbers a reader's weights are, as the head of its file tells."""
    with (reader / "model.safetensors").open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")


def gpu_name() -> str:
    """What the first GPU is called; "" where there is none."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return ""


def utilization(tokens_per_second: float, numbers: int, device: str) -> float | None:
    """The share of the device's FLOPs that the model itself needs, in [0, 1]; None for a device that is not known."""
    peak = next((flops for name, flops in PEAK_FLOPS.items() if name in device), None)
    return 6 * numbers * tokens_per_second / peak if peak else None


def measure(base: str, data: str, steps: int, batch_size: int, more: Sequence[str], place: Path) -> dict[str, Any]:
    """The check and then the run, side by side."""
    words = [sys.executable, "-m", "reader", "train", "--base", base, "--data", data, "--max-steps", str(steps)]
    words += ["--batch-size", str(batch_size), "--held-out", "0", *more]
    told = check(words)
    real = run(words, place / "reader")
    numbers = parameters(place / "reader")
    on_gpu = told["device"] == "cuda"
    device = (gpu_name() or "cuda") if on_gpu else told["device"]
    found = {
        "device": device,
        "precision": told["precision"],
        "parameters": numbers,
        "features": told["features"],
        "steps": real["steps"],
        "batch_size": batch_size,
        "processes": real["processes"],
        "check_seconds": told["check_seconds"],
        "seconds": pair(told["seconds"], real["seconds"]),
        "seconds_per_step": pair(told["seconds_per_step"], batch_size / real["windows_per_second"]),
        "peak_memory": pair(told["memory"], real["device_memory" if on_gpu else "process_memory"]),
        "windows_per_second": real["windows_per_second"],
        "tokens_per_second": real["tokens_per_second"],
    }
    if on_gpu and told["precision"] == "bf16":
        found["mfu"] = utilization(real["tokens_per_second"] / real["processes"], numbers, device)
    return found


def pair(estimated: float, real: float) -> dict[str, float | None]:
    """Both, and the estimate's share of what was real; None where a GPU was not looked at, as the run was too short."""
    return {"estimated": estimated, "real": real, "ratio": estimated / real if real else None}


def print_found(found: dict[str, Any]) -> None:
    """The figures, estimate and reality side by side."""
    print(f"{found['parameters'] / 1e6:.1f} M parameters on {found['device']} in {found['precision']}")
    print(f"{found['steps']:,} steps of {found['batch_size']} windows in {found['processes']} process(es)")
    for name, unit, scale in (("seconds", "s", 1.0), ("seconds_per_step", "s", 1.0), ("peak_memory", "GB", 1e9)):
        estimated, real, ratio = found[name].values()
        said = f"estimated {estimated / scale:8.3f} {unit}, real {real / scale:8.3f} {unit}"
        print(f"  {name.replace('_', ' '):18} {said}" + (f": ratio {ratio:.2f}" if ratio else ""))
    print(f"  {found['windows_per_second']:,.1f} windows/s, {found['tokens_per_second']:,.0f} tokens/s")
    if found.get("mfu") is not None:
        print(f"  model FLOPs utilization {found['mfu']:.1%}")
    print(f"  the check itself took {found['check_seconds']:.0f} s")


def main() -> None:
    """Run the benchmark that the options name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False)
    parser.add_argument("--base", default="embedded", help=f"any base of train, or {BERT_BASE}")
    parser.add_argument("--data", default="starter", help="any data set of train")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        base = options.base
        if base == BERT_BASE:
            base = str(Path(folder) / BERT_BASE)
            # In a process of its own: what this one holds would count as the peak of those that it starts.
            maker = multiprocessing.get_context("spawn").Process(target=make_bert_base, args=(Path(base),))
            maker.start()
            maker.join()
            if maker.exitcode:
                raise SystemExit("The encoder could not be made; the message is above.")
        found = measure(base, options.data, options.steps, options.batch_size, more, Path(folder))
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print_found(found)


if __name__ == "__main__":
    main()
