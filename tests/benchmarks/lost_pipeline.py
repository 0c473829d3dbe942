"""Runs in the *other* interpreter, with transformers 4: its own question-answering pipeline behind JSON lines.

    python lost_pipeline.py FOLDER THREADS

A line in: {"rows": [{"question", "context"}, …], "arguments": {…}}. A line out: {"answers": […], "seconds": …}, the
rows asked one by one.
"""

import json
import sys
import time
import warnings
from pathlib import Path


def main() -> None:
    """Load the reader in fp32, say so with a first line, and answer until the input ends."""
    warnings.filterwarnings("ignore")
    import torch
    import transformers
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer, PreTrainedTokenizerFast, pipeline

    transformers.logging.set_verbosity_error()
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (ValueError, ImportError):  # a tokenizer class or file that only transformers 5 knows
        stored = json.loads((Path(folder) / "tokenizer_config.json").read_text("utf-8"))
        names = [name for name in stored if name.endswith("_token") or name in ("model_max_length", "padding_side")]
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(Path(folder) / "tokenizer.json"), **{name: stored[name] for name in names}
        )
    model = AutoModelForQuestionAnswering.from_pretrained(folder, torch_dtype=torch.float32, use_safetensors=True)
    answer = pipeline("question-answering", model=model, tokenizer=tokenizer, device="cpu")
    print(json.dumps({"transformers": transformers.__version__, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        answers = [answer(**row, **asked["arguments"]) for row in asked["rows"]]
        print(json.dumps({"answers": answers, "seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
