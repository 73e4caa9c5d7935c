"""What a language model answers: it is tuned, asked, and its answers are recorded and found again.

data/recorded/<dataset>/rallrec/<scale>/<encoder>+<writer>/<model>/    of what retrieves by which texts:
    adapters/<tuning>-seed<k>/                    an adapter with the curve of its tuning
    <tuning>-seed<k>.<precision>.parquet          the scores of its answers
"""

from functools import cached_property
from pathlib import Path

from lib.core.errors import UserError
from lib.core.files import ROOT, sha256
from lib.evaluation.click_metrics import scores
from lib.language.llm.language_models import Precision
from lib.language.yes_no import adapters
from lib.language.yes_no.prompts_as_tokens import Prompt
from lib.language.yes_no.recorded_scores import RecordedScores
from lib.language.yes_no.scorer import Scorer, Scores
from lib.language.yes_no.tuning_settings import TuningSettings
from lib.papers.rallrec import augmentation
from lib.papers.rallrec.asked_samples import AskedSamples
from lib.papers.rallrec.questions import RALLREC, UNTUNED, Question, everything, tunings
from lib.training.devices import pick_device

FEW = 0.05  # of the prompts: vectors that another processor rounds otherwise retrieve another item now and then
EXACT = "float32"


class Study(AskedSamples):
    """One language model, one dataset, one scale: what it is asked, what it is tuned to, and what it says.

    writer: the language model that described the items; None: titles alone. Raises UserError for a name that does not
    exist.
    """

    def __init__(
        self, dataset: str, model: str, encoder: str, writer: str | None, scale: str,
        data: Path = ROOT / "data", device: str = "auto", **places,
    ):  # fmt: skip
        super().__init__(dataset, model, encoder, writer, scale, data=data, **places)
        texts = f"{encoder.replace('/', '_')}+{writer or 'titles'}"
        self.folder = Path(data) / "recorded" / dataset / "rallrec" / scale / texts
        self.command = f"python -m lib answers {dataset} --model {model} --scale {scale} --encoder {encoder}"
        self.command += f" --descriptions {writer or 'none'}"
        self.device = pick_device(device)
        self.asked_now = 0  # prompts that the record lacks and that the model was asked instead
        self._said = {}

    def prompts(self, question: Question, split: str = "test", alpha: float | None = None) -> list[Prompt]:
        """As AskedSamples.prompts, with the chosen alpha where a reranked list is shown and none is given."""
        if question.items == "rerank" and alpha is None:
            alpha = self.alpha
        return super().prompts(question, split, alpha)

    @cached_property
    def alpha(self) -> float:
        """Of the alphas in the settings the one that the tuned model answers best on validation samples (Eq. 8)."""
        if not self.settings.questions.alphas:
            return self.settings.rerank.alpha
        return max(self.validated_alphas, key=self.validated_alphas.get)

    @cached_property
    def validated_alphas(self) -> dict[float, float]:
        """AUC on validation samples by alpha."""
        record, labels = self.record_of(RALLREC.adapter, self.settings.questions.seeds[0]), self.labels("validation")
        found = {alpha: self._lookup(record, asked) for alpha, asked in self.prompts_of_alphas().items()}
        return {alpha: scores(labels, one.p)["auc"] for alpha, one in found.items()}

    def prompts_of_alphas(self) -> dict[float, list[Prompt]]:
        """Those about the validation samples, by alpha."""
        return {alpha: self.prompts(RALLREC, "validation", alpha) for alpha in self.settings.questions.alphas}

    def how(self, name: str, seed: int) -> TuningSettings:
        """The settings of a tuning: of fewer orders more epochs, so that all may take as many steps."""
        most, own = (len(augmentation.MIXES[one].modes) for one in ("mixed", name))
        usual = self.settings.tuning
        longer = {"epochs": -(-usual.epochs * most // own), "patience": -(-usual.patience * most // own)}
        return usual.model_copy(update=longer | {"seed": seed})

    def adapter(self, name: str, seed: int) -> Path:
        """The folder of an adapter."""
        return self.folder / self.model.name / "adapters" / f"{name}-seed{seed}"

    def checked_adapter(self, name: str, seed: int) -> Path:
        """The folder of an adapter that was tuned as the settings say; raises UserError where there is no such."""
        folder = self.adapter(name, seed)
        tuned = adapters.description(folder).tuned
        expected = len(self.rows["train"]) * len(augmentation.MIXES[name].modes)
        if tuned.get("settings") != self.how(name, seed).model_dump() or tuned.get("examples") != expected:
            said = f"the adapter in {folder} was tuned with other settings than those of params"
            raise UserError(f"{said}: tune it again with: {self.command} --only {name} --live")
        return folder

    def record_of(self, name: str | None, seed: int, precision: Precision | None = None) -> RecordedScores:
        """The recorded answers of the model with an adapter, or as it is; raises UserError without that adapter.

        precision: None for that of the settings.
        """
        adapter = self.checked_adapter(name, seed) if name else None
        precision = precision or self.settings.questions.precision
        return RecordedScores(self.folder, self.model, adapter, precision, self.command)

    def digests(self, names: list[str]) -> dict[str, str]:
        """What tells the recorded answers of adapters, and of the model as it is, from others, by name of the file."""
        asked = {(question.adapter, seed) for question, seed in everything(self.settings)}
        asked |= {(RALLREC.adapter, self.settings.questions.seeds[0], EXACT)}
        records = [self.record_of(*who) for who in sorted(asked, key=str) if (who[0] or UNTUNED) in names]
        return {record.path.stem: sha256(record.path) for record in records if record.path.is_file()}

    def adapter_digests(self) -> dict[str, str]:
        """What tells the adapters from others, by name and seed."""
        return {f"{name} seed {seed}": adapters.adapter_digest(self.adapter(name, seed)) for name, seed in self.tuned()}

    def tuned(self) -> list[tuple[str, int]]:
        """The adapters that are there, by name and seed."""
        return [one for one in tunings(self.settings) if (self.adapter(*one) / adapters.ABOUT).is_file()]

    def answers(self, question: Question, seed: int | None = None, precision: Precision | None = None) -> Scores:
        """What the model says about each test sample; of a few prompts that are not recorded it is asked now.

        seed: of the tuning; None: the first of the settings. Raises UserError when more than a few are missing.
        """
        seed = self.settings.questions.seeds[0] if seed is None else seed
        if (question, seed, precision) not in self._said:
            record = self.record_of(question.adapter, seed, precision)
            self._said[question, seed, precision] = self._lookup(record, self.prompts(question))
        return self._said[question, seed, precision]

    def _lookup(self, record: RecordedScores, asked: list[Prompt]) -> Scores:
        missing = record.missing(asked)
        if not missing or len(missing) > FEW * len(asked):
            return record.lookup(asked)
        self.asked_now += len(missing)
        return record.lookup(asked, self.scorer(record))

    def scorer(self, record: RecordedScores) -> Scorer:
        """Who gave these answers, to be asked now."""
        return Scorer(record.settings, record.adapter, record.precision, self.device)

    def asked_of(self, only: list[str] | None = None, alpha: float | None = None) -> dict[tuple, list[Prompt]]:
        """All prompts about test samples, each once, by who answers: adapter, its seed, precision.

        only: names of adapters, untuned or float32; alpha: of the reranking, None: the chosen one.
        """
        usual, first = self.settings.questions.precision, self.settings.questions.seeds[0]
        by_whom = {}
        for question, seed in everything(self.settings):
            if not only or (question.adapter or UNTUNED) in only:
                by_whom.setdefault((question.adapter, seed, usual), []).extend(self.prompts(question, alpha=alpha))
        if not only or EXACT in only:  # what rounding changes is told for one question
            by_whom.setdefault((RALLREC.adapter, first, EXACT), []).extend(self.prompts(RALLREC, alpha=alpha))
        return {who: list(dict.fromkeys(prompts)) for who, prompts in by_whom.items()}
