"""Measure `as_pipeline()` against the pipeline that it stands in for, that of transformers 4.57 itself.

    python -m tests.benchmarks.pipeline --data dev-v2.0.json --other-python PATH [--reader R] [--limit 500]
        [--mode agreement|speed] [--long] [--json]

PATH is a Python with `transformers==4.57.*` and torch. Both read the same weights in fp32, in as many threads.
`agreement`: the share of questions with the same text and offsets, and the others one by one. `speed`: questions a
second of `ExtractiveReader.predict` in its default precision against that pipeline one question at a time, in
alternating chunks of 100, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from reader.checkpoints import load_checkpoint, save_checkpoint
from reader.examples import Example, load_examples
from reader.predictor import ExtractiveReader

SERVER = Path(__file__).with_name("lost_pipeline.py")
CHUNK = 100
ASKED: dict[str, dict[str, Any]] = {
    "defaults": {},
    "top_k=3": {"top_k": 3},
    "handle_impossible_answer": {"handle_impossible_answer": True},
}


class LostPipeline:
    """The other interpreter, asked over JSON lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.versions: dict[str, str] = self._answer()

    def ask(self, examples: Sequence[Example], arguments: dict[str, Any]) -> tuple[list[Any], float]:
        """Answers of examples asked one by one, and the seconds that took there."""
        rows = [{"question": example.question, "context": example.context} for example in examples]
        assert self._process.stdin is not None
        print(json.dumps({"rows": rows, "arguments": arguments}), file=self._process.stdin, flush=True)
        answer = self._answer()
        return answer["answers"], answer["seconds"]

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The other interpreter has ended; its message is above.")
        return json.loads(line)


@contextmanager
def lost_pipeline(python: str, reader: str) -> Iterator[LostPipeline]:
    """Start the lost pipeline on a copy of the reader in fp32, which is the precision it loads what it finds in."""
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(load_checkpoint(reader), Path(folder), half=False)
        process = subprocess.Popen(
            [python, str(SERVER), folder, str(torch.get_num_threads())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        try:
            yield LostPipeline(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def listed(answer: Any) -> list[tuple[str, int, int]]:
    """An answer, or each of a list of them, as text and offsets."""
    return [(one["answer"], one["start"], one["end"]) for one in (answer if isinstance(answer, list) else [answer])]


def agreement(lost: LostPipeline, reader: str, examples: Sequence[Example]) -> dict[str, Any]:
    """The share of identical answers for each way to ask, and the differences."""
    pipe = ExtractiveReader.from_pretrained(reader, device="cpu", precision="fp32").as_pipeline()
    found: dict[str, Any] = {}
    for name, arguments in ASKED.items():
        theirs, _ = lost.ask(examples, arguments)
        rest = []
        for example, their in zip(examples, theirs, strict=True):
            our = pipe(question=example.question, context=example.context, **arguments)
            if listed(our) != listed(their):
                rest.append({"id": example.id, "question": example.question, "ours": our, "theirs": their})
        same = len(examples) - len(rest)
        found[name] = {"questions": len(examples), "same": same, "share": same / len(examples), "others": rest}
    return found


def speed(lost: LostPipeline, reader: str, examples: Sequence[Example]) -> dict[str, Any]:
    """Questions a second on both sides, chunk by chunk in turns."""
    qa = ExtractiveReader.from_pretrained(reader)
    lost.ask(examples[:4], {})
    list(qa.predict(examples[:32]))
    seconds = {"predict": 0.0, "pipeline": 0.0}
    ratios = []
    for first in range(0, len(examples), CHUNK):
        chunk = examples[first : first + CHUNK]
        _, theirs = lost.ask(chunk, {})
        began = time.perf_counter()
        answers = list(qa.predict(chunk))
        ours = time.perf_counter() - began
        assert len(answers) == len(chunk)
        seconds["pipeline"] += theirs
        seconds["predict"] += ours
        ratios.append(theirs / ours)
    rates = {name: len(examples) / value for name, value in seconds.items()}
    return {
        "questions": len(examples),
        "device": qa.device,
        "precision": qa.precision,
        "threads": torch.get_num_threads(),
        "questions_per_second": rates,
        "ratio": rates["predict"] / rates["pipeline"],
        "ratio_of_each_chunk": ratios,
    }


def longer(examples: Sequence[Example], paragraphs: int = 8) -> list[Example]:
    """The same questions over several paragraphs at once, so that every context has several windows."""
    contexts = list(dict.fromkeys(example.context for example in examples))
    places = {context: index for index, context in enumerate(contexts)}
    made = []
    for example in examples:
        first = max(0, places[example.context] - paragraphs // 2)
        context = "\n\n".join(contexts[first : first + paragraphs])
        made.append(replace(example, context=context, answers=()))
    return made


def main() -> None:
    """Run the benchmark that the options name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", required=True, help="SQuAD JSON, or any other source of examples")
    parser.add_argument("--other-python", required=True, help="a Python that has transformers 4.57 and torch")
    parser.add_argument("--reader", default="embedded")
    parser.add_argument("--limit", type=int, help="questions, drawn by chance (default: 500; speed: 600)")
    parser.add_argument("--mode", choices=("agreement", "speed"), default="agreement")
    parser.add_argument("--long", action="store_true", help="put eight paragraphs into each context")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    if shutil.which(options.other_python) is None:
        parser.error(f"{options.other_python} is no program")
    examples = load_examples(options.data).examples
    if options.long:
        examples = longer(examples)
    limit = options.limit or (500 if options.mode == "agreement" else 600)
    examples = random.Random(options.seed).sample(examples, min(limit, len(examples)))
    with lost_pipeline(options.other_python, options.reader) as lost:
        measure = agreement if options.mode == "agreement" else speed
        found = {"reader": options.reader, "other": lost.versions, **measure(lost, options.reader, examples)}
    if options.json:
        json.dump(found, sys.stdout, ensure_ascii=False, indent=1)
        print()
    elif options.mode == "agreement":
        _print_agreement(found)
    else:
        rates = found["questions_per_second"]
        print(f"{found['questions']} questions, {found['threads']} threads, transformers {found['other']}")
        print(f"  predict ({found['device']}, {found['precision']}): {rates['predict']:.2f} questions/s")
        print(f"  the lost pipeline, one by one (fp32): {rates['pipeline']:.2f} questions/s")
        chunks = ", ".join(f"{ratio:.2f}" for ratio in found["ratio_of_each_chunk"])
        print(f"  ratio {found['ratio']:.2f}; of each chunk: {chunks}")


def _print_agreement(found: dict[str, Any]) -> None:
    print(f"as_pipeline() against transformers {found['other']}, {found['reader']}, fp32")
    for name in ASKED:
        result = found[name]
        print(f"  {name}: {result['same']} of {result['questions']} identical ({result['share']:.2%})")
        for other in result["others"]:
            print(
                f"    {other['id']}: {other['question']}\n      ours   {other['ours']}\n      theirs {other['theirs']}"
            )


if __name__ == "__main__":
    main()
