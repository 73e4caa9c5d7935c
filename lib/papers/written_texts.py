"""The texts that papers need of a language model: RLMRec's profiles, RALLRec's descriptions of items."""

from lib.core.errors import UserError
from lib.data import datasets
from lib.language import profiles
from lib.language.llm import asking, estimate, language_models
from lib.papers.rallrec import item_texts


def write(dataset: str, paper: str, model: str | None, live: bool, threads, budget, only_estimate: bool):
    """Ask for what is not recorded yet; yields how much that is and, unless only_estimate, what came of it.

    paper: rlmrec or rallrec; live: for everything again; threads: processor cores of a local model; budget: dollars
    that an endpoint may cost. Raises UserError where no model is named.
    """
    about = datasets.settings(dataset)
    model = model or about.language_model
    if model is None:
        raise UserError(f"the profiles of {dataset} came with its data: name another writer with --model")
    settings = language_models.load(model)
    if paper == "rallrec":
        recording = item_texts.recording(datasets.load_samples(dataset), about, settings)
    else:
        recording = profiles.recording(datasets.load(dataset), about, settings)
    pending = recording.pending(live)
    yield estimate.estimate(pending, settings) if pending else f"all answers of {model} are recorded"
    if only_estimate:
        return
    writer = asking.open_writer(settings, threads, budget) if pending else None
    answers = recording.write(live, writer)["answers"]
    for side, counts in answers.items():
        yield f"{side}: " + ", ".join(f"{count} {status}" for status, count in counts.items())
