"""Which samples a language model is asked about, and what it reads of each: the prompts of all questions."""

from functools import cached_property

import numpy as np

from lib.data import datasets
from lib.language.llm import language_models
from lib.language.yes_no import causal_model
from lib.language.yes_no.prompts_as_tokens import Prompt, Tokens
from lib.language.yes_no.tuning import Example
from lib.papers.rallrec import augmentation, kinds, vector_cells
from lib.papers.rallrec.prompts import ANSWERS, SYSTEM, Renderer
from lib.papers.rallrec.questions import Question
from lib.papers.rallrec.settings import load

MOST = 2048  # tokens of a prompt for a model that does not say how many it can read; the paper's


class AskedSamples:
    """The samples of one dataset at one scale, as prompts of one language model.

    encoder: of the vectors that decide what is retrieved. writer: the language model that described the items; None:
    titles alone. Raises UserError for a name that does not exist.
    """

    def __init__(self, dataset: str, model: str, encoder: str, writer: str | None, scale: str, **places):
        known = {name: place for name, place in places.items() if name in ("params", "data")}
        params = {name: place for name, place in known.items() if name == "params"}
        self.samples = datasets.load_samples(dataset, **known)
        self.settings = load(scale, dataset, **params)
        self.model = language_models.load_local(model, **params)
        wording = datasets.settings(dataset, **params).wording
        self.renderer = Renderer(self.samples, wording, self.settings.questions.compact)
        self.vectors = vector_cells.ensure(self.samples, encoder, writer, self.settings.seed, scale, **places)
        self.shortened = 0  # prompts that show fewer than K items, as many as the model can read
        self._found, self._prompts = {}, {}

    @cached_property
    def rows(self) -> dict[str, np.ndarray]:
        """Numbers of the samples that are asked about, by split."""
        sizes, asked, seed = self.settings.augmentation, self.settings.questions, self.settings.seed
        return {
            "train": augmentation.sampled_rows(self.samples, "train", sizes.n_index, seed),
            "validation": augmentation.sampled_rows(self.samples, "validation", sizes.validation_rows, seed),
            "test": augmentation.test_rows(self.samples, asked.test_rows, asked.order, seed),
        }

    def labels(self, split: str = "test") -> np.ndarray:
        """1 for each sample of a split that is liked, else 0."""
        return self.samples.rows.label.to_numpy()[self.rows[split]]

    @cached_property
    def tokens(self) -> Tokens:
        """The tokenizer."""
        return Tokens(self.model)

    @cached_property
    def limit(self) -> int:
        """Most tokens of a prompt, so that the answer and its end still fit."""
        most = causal_model.context_of(self.model) or MOST
        return most - max(map(len, self.tokens.of_answers(ANSWERS))) - 1

    def positions(self, split: str, k: int | None = None, alpha: float | None = None) -> dict[str, np.ndarray]:
        """Which events are shown, by kind of retrieval: each [n, K] (lib/papers/rallrec/kinds.py)."""
        if (split, k, alpha) not in self._found:
            retrieval = self.settings.retrieval.model_copy(update={"k": k} if k else {})
            rerank = self.settings.rerank.model_copy(update={} if alpha is None else {"alpha": alpha})
            settings = self.settings.model_copy(update={"retrieval": retrieval, "rerank": rerank})
            found = kinds.retrieved(self.samples, self.vectors.parts, settings, self.rows[split])
            self._found[split, k, alpha] = found.positions
        return self._found[split, k, alpha]

    def prompts(self, question: Question, split: str = "test", alpha: float | None = None) -> list[Prompt]:
        """What the model reads about each sample of a split; `alpha` of the reranking, None: that of the settings."""
        key = question._replace(adapter=None), split, alpha if question.items == "rerank" else None
        if key not in self._prompts:
            positions = self.positions(split, question.k, key[-1])[question.items]
            texts, shown = self.renderer.fitting(self.rows[split], positions, question.mode, self.limit, self.count)
            self._prompts[key] = [Prompt(SYSTEM, text) for text in texts]
            self.shortened += int((shown < positions.shape[1]).sum())
        return self._prompts[key]

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each prompt with all that is around it."""
        return self.tokens.count([Prompt(SYSTEM, text) for text in texts])

    def examples(self, name: str) -> tuple[list[Example], list[Example]]:
        """What an adapter of augmentation.MIXES is taught, and what it is validated with: one order of each sample."""
        mix = augmentation.MIXES[name]
        return self._examples("train", mix, mix.modes), self._examples("validation", mix, mix.modes[:1])

    def _examples(self, split: str, mix: augmentation.Mix, modes: tuple[str, ...]) -> list[Example]:
        positions = self.positions(split)
        table = augmentation.examples(
            self.renderer, self.rows[split], positions[mix.similar_by], positions["recent"], modes,
            self.limit, self.count,
        )  # fmt: skip
        return [Example(SYSTEM, *row) for row in table[["prompt", "answer"]].itertuples(index=False)]
