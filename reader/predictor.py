"""The reader itself: questions and contexts in, answers out, in any number and of any length.

    qa = ExtractiveReader.from_pretrained("embedded")
    qa(question="Who wrote it?", context="Ada Lovelace wrote it in 1843.").text

Examples are read in chunks. The windows of a chunk are sorted by length and read in batches of about equally many
tokens; each batch's logits are reduced to the best spans of its windows at once, so that memory stays bounded.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from reader.checkpoints import Checkpoint, ReaderConfig, load_checkpoint
from reader.errors import BadReader, BadUsage
from reader.examples import Example
from reader.features import Feature, Windowing, longest_window, prepare_validation_features
from reader.postprocess import Answer, Reading, WindowSpans, best_spans, decide, read_each
from reader.turns import Turns, Work

if TYPE_CHECKING:
    import torch

    from reader.pipeline import QuestionAnsweringPipeline

Precision = Literal["fp32", "bf16", "fp16"]
Progress = Callable[[int, int | None], None]

_CHUNK_EXAMPLES = 256
_CHUNK_CHARACTERS = 1_000_000
# Padded tokens of a batch. On a CPU larger batches are padded more and leave the caches (measured: 512 to 1,536 are
# about equal, 4,096 a tenth slower); a GPU wants to be filled.
_BATCH_TOKENS = {"cpu": 1024, "cuda": 131_072, "mps": 16_384}
# Batches of several threads that are read at the same time. A second one fills the gaps that the first leaves on a CPU
# (measured with 20 threads on two cores: a quarter more answers a second than one at a time; more add nothing).
_AT_ONCE = {"cpu": 2}
# Texts from this many characters on are cut into tokens beside the short ones: a million take a second.
_LONG_TEXTS = 50_000
# Lengths are rounded up to this, so that the CPU's kernels are compiled (and kept) for few shapes only.
_LENGTH_STEP = 16


class ExtractiveReader:
    """A loaded reader. Safe to use from several threads at once, which then take turns, batch by batch.

    ``turns``: readers on the same device may share them, as they share the device.
    """

    def __init__(self, checkpoint: Checkpoint, *, device: str, precision: Precision) -> None:
        import torch

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        model = checkpoint.model.eval().to(device=device, dtype=dtype)
        # The head stays in float32: a margin rounded to bf16's eight bits would jump in steps of 0.06.
        for head in _span_heads(model):
            head.float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
        self.name = checkpoint.name
        self.config: ReaderConfig = checkpoint.config
        self.trained_on = checkpoint.trained_on
        self.device = device
        self.precision: Precision = precision
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.windowing: Windowing = checkpoint.windowing
        self.longest_window = longest_window(model.config)
        self._model = model
        # A fast tokenizer keeps its truncation as state, so that two threads may not call it at once.
        self.tokenizing = threading.Lock()
        self._tokenizing_long = threading.Lock()
        self._tokenizer_of_long: Any = None
        self.turns = Turns(at_once=_AT_ONCE.get(device, 1))

    @classmethod
    def from_pretrained(
        cls, name: str = "embedded", *, device: str | None = None, precision: Precision | None = None
    ) -> ExtractiveReader:
        """Load a reader by name, on the GPU where there is one, in the precision that is fastest there.

        Precision: bf16 on GPUs and on processors that compute in it, else fp32. Raises `BadReader`,
        `HubUnreachable`.
        """
        checkpoint = load_checkpoint(name)
        device = device or default_device()
        return cls(checkpoint, device=device, precision=precision or default_precision(device))

    def __call__(
        self, *, question: str, context: str, threshold: float | None = None, top_k: int | None = None
    ) -> Answer:
        """Answer one question from one context."""
        example = Example(id="", question=question, context=context)
        return next(self.predict([example], threshold=threshold, top_k=top_k))

    def read(
        self,
        *,
        question: str,
        context: str,
        threshold: float | None = None,
        top_k: int | None = None,
        progress: Progress | None = None,
    ) -> Reading:
        """Answer one question from one context, and say what each window of it said.

        The answer is that of a call, from the same single pass of the model; raises the same errors. ``progress``:
        called with (windows read, of how many).
        """
        n_best, at = self._settle(threshold, top_k)
        example = Example(id="", question=question, context=context)
        (windows,) = self.read_windows(
            self.windowing,
            [example],
            n_best=n_best,
            max_answer_length=self.config.max_answer_length,
            progress=progress,
        )
        answer = decide(example.id, context, windows, n_best=n_best, threshold=at)
        return read_each(context, windows, answer, n_best=n_best)

    def predict(
        self,
        examples: Iterable[Example],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Answer]:
        """Answer any number of examples, in their order, as a stream.

        ``threshold``: null_score_diff above which to abstain (default: the reader's own); ``top_k``: alternatives
        per answer (default: the reader's n_best_size); ``progress``: called with (answered, of how many or None).
        Raises `BadData` where a question or context is empty or leaves its windows no room.
        """
        n_best, at = self._settle(threshold, top_k)
        total = len(examples) if isinstance(examples, Sized) else None
        done = 0
        for chunk in chunks(examples):
            windows = self.read_windows(
                self.windowing, chunk, n_best=n_best, max_answer_length=self.config.max_answer_length
            )
            for example, found in zip(chunk, windows, strict=True):
                yield decide(example.id, example.context, found, n_best=n_best, threshold=at)
            done += len(chunk)
            if progress:
                progress(done, total)

    def _settle(self, threshold: float | None, top_k: int | None) -> tuple[int, float]:
        """How many alternatives to give, and above which null_score_diff to abstain."""
        if top_k is not None and top_k < 1:
            raise BadUsage(f"top_k is {top_k}; it must be at least 1.")
        at = self.config.null_score_diff_threshold if threshold is None else threshold
        if math.isnan(at):
            raise BadUsage("The threshold is not a number (nan); it is a difference of scores, as in --threshold -2.5.")
        return top_k or self.config.n_best_size, at

    def read_windows(
        self,
        windowing: Windowing,
        examples: Sequence[Example],
        *,
        n_best: int,
        max_answer_length: int,
        progress: Progress | None = None,
    ) -> list[list[WindowSpans]]:
        """The best spans of every window, grouped by example: one pass of the model.

        ``progress``: called with (windows read, of how many).
        """
        features = self.features(windowing, examples)
        work = self.turns.begin()
        # Longest first: what does not fit into memory shows at once, not at the end.
        order = sorted(range(len(features)), key=lambda index: -len(features[index].input_ids))
        found: dict[int, WindowSpans] = {}
        for batch in _batches(order, features, _BATCH_TOKENS[self.device.split(":")[0]]):
            chosen = [features[index] for index in batch]
            spans = self._read_batch(chosen, work, n_best=n_best, max_answer_length=max_answer_length)
            found.update(zip(batch, spans, strict=True))
            if progress:
                progress(len(found), len(features))
        owners = groupby(range(len(features)), key=lambda index: features[index].example)
        return [[found[index] for index in indices] for _, indices in owners]

    def features(self, windowing: Windowing, examples: Sequence[Example]) -> list[Feature]:
        """The windows of all examples, in order; raises as `prepare_validation_features` does.

        Long texts have a tokenizer of their own, so that no short one waits for them.
        """
        if sum(len(example.context) for example in examples) < _LONG_TEXTS:
            with self.tokenizing:
                return prepare_validation_features(windowing, examples)
        with self._tokenizing_long:
            if self._tokenizer_of_long is None:
                with self.tokenizing:
                    self._tokenizer_of_long = copy.deepcopy(self.windowing.tokenizer)
            return prepare_validation_features(replace(windowing, tokenizer=self._tokenizer_of_long), examples)

    def _read_batch(
        self, features: Sequence[Feature], work: Work, *, n_best: int, max_answer_length: int
    ) -> list[WindowSpans]:
        logits, answerable = self.logits(features, work)
        return best_spans(
            logits[0],
            logits[1],
            answerable,
            np.array([feature.cls_index for feature in features]),
            [feature.offsets for feature in features],
            max_answer_length=max_answer_length,
            n_best=n_best,
        )

    def logits(
        self, features: Sequence[Feature], work: Work | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Start and end logits of windows read as one batch, (2, batch, tokens), and where an answer may be.

        ``tokens`` is the longest window's, padded on the right; ``work`` is what this batch is a part of. Raises
        `BadReader` where they are not finite.
        """
        import torch

        inputs, answerable = _pad(features, self.windowing.tokenizer.pad_token_id or 0, self.longest_window)
        work = work or self.turns.begin()
        with work.turn(inputs["input_ids"].numel()), torch.inference_mode():
            output = self._model(**{name: tensor.to(self.device) for name, tensor in inputs.items()})
            logits = torch.stack([output.start_logits, output.end_logits]).float().cpu().numpy()
        if not np.isfinite(logits).all():
            raise BadReader(
                f"{self.name} computes numbers that are not finite in {self.precision}. Try another precision (fp32)."
            )
        return logits, answerable

    def as_pipeline(self) -> QuestionAnsweringPipeline:
        """The interface that transformers had until 5.3: ``pipeline("question-answering")``."""
        from reader.pipeline import QuestionAnsweringPipeline

        return QuestionAnsweringPipeline(self)


def _span_heads(model: Any) -> list[torch.nn.Linear]:
    """The layer that turns a token's state into its two logits: `qa_outputs`, in ModernBERT `classifier`.

    Empty for the few models that have more than a layer there; those compute it in the precision of the rest.
    """
    import torch

    named = dict(model.named_children())
    found = [named[name] for name in ("qa_outputs", "classifier") if name in named]
    return [head for head in found if isinstance(head, torch.nn.Linear)]


def default_device() -> str:
    """The GPU where there is one, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def default_precision(device: str) -> Precision:
    """bf16 where the device computes in it; fp32 elsewhere, as bf16 is emulated there and slower."""
    import torch

    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return "bf16"
    return "fp32"


def chunks(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Cut a stream into as many examples as are read at a time."""
    chunk: list[Example] = []
    characters = 0
    for example in examples:
        chunk.append(example)
        characters += len(example.context)
        if len(chunk) == _CHUNK_EXAMPLES or characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _batches(order: Sequence[int], features: Sequence[Feature], budget: int) -> Iterator[list[int]]:
    """Cut windows, longest first, into batches of about ``budget`` padded tokens."""
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) + 1) * _padded(features[batch[0]]) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _padded(feature: Feature) -> int:
    return -(-len(feature.input_ids) // _LENGTH_STEP) * _LENGTH_STEP


def _pad(
    features: Sequence[Feature], pad_token_id: int, longest_window: int | None
) -> tuple[dict[str, torch.Tensor], NDArray[np.bool_]]:
    """Model inputs, padded on the right up to the longest window; and where an answer may be."""
    import torch

    width = max(_padded(feature) for feature in features)
    shape = (len(features), min(width, longest_window or width))
    ids = np.full(shape, pad_token_id, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    answerable = np.zeros(shape, dtype=np.bool_)
    for row, feature in enumerate(features):
        length = len(feature.input_ids)
        ids[row, :length] = feature.input_ids
        mask[row, :length] = 1
        answerable[row, :length] = feature.answerable
        if feature.token_type_ids is not None:
            types[row, :length] = feature.token_type_ids
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if features[0].token_type_ids is not None:
        inputs["token_type_ids"] = torch.from_numpy(types)
    return inputs, answerable
