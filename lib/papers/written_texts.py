"""The texts that papers need of a language model: RLMRec's profiles, RALLRec's descriptions of items."""

from lib.core.errors import UserError
from lib.data import datasets
from lib.language import profiles
from lib.language.llm import asking, language_models
from lib.language.llm.estimate import estimate as cost
from lib.papers.rallrec import item_texts

# what asks, and what it asks about
PAPERS = {"rlmrec": (profiles, datasets.load), "rallrec": (item_texts, datasets.load_samples)}


def write(dataset: str, paper: str, model: str | None, live: bool, threads, budget, estimate: bool) -> None:
    """Ask for what is not recorded yet, saying first how much that is; `estimate`: nothing but that.

    live: for everything again; threads: processor cores of a local model; budget: dollars that an endpoint may cost.
    Raises UserError where no model is named.
    """
    about = datasets.settings(dataset)
    model = model or about.language_model
    if model is None:
        raise UserError(f"the profiles of {dataset} came with its data: name another writer with --model")
    settings, (writing, load) = language_models.load(model), PAPERS[paper]
    data = load(dataset)
    pending = writing.pending(data, about, settings, live=live)
    print(cost(pending, settings) if pending else f"all answers of {model} are recorded")
    if estimate:
        return
    writer = asking.open_writer(settings, threads, budget) if pending else None
    answers = writing.write(data, about, settings, live=live, writer=writer)["answers"]
    for side, counts in answers.items():
        print(f"{side}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
