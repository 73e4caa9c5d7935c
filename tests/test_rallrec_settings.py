"""params/papers/rallrec.yaml: what scales and datasets change, and how mistakes are told."""

import jsonschema
import pytest
import yaml

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.papers.rallrec import settings

FILE = ROOT / "params/papers/rallrec.yaml"


def changed(folder, edit):
    """A params folder whose file has been edited."""
    content = yaml.safe_load(FILE.read_text())
    edit(content)
    path = folder / settings.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return folder


def test_a_scale_changes_only_what_it_names():
    paper, quick = settings.load("paper"), settings.load("quick")
    assert (paper.retrieval.k, quick.retrieval.k) == (30, 10)
    assert quick.retrieval.hybrid_weight == paper.retrieval.hybrid_weight
    assert quick.collaborative == paper.collaborative


def test_a_dataset_has_its_own_values_below_those_of_the_scale():
    assert settings.load("paper", "bookcrossing").augmentation.n_index == 256
    assert settings.load("paper", "bookcrossing").retrieval.hybrid_over == "history"
    assert settings.load("tiny", "bookcrossing").augmentation.n_index == 16
    assert settings.load("tiny", "bookcrossing").retrieval.hybrid_over == "history"
    assert settings.load("paper", "movielens-100k") == settings.load("paper")


def test_the_papers_constants():
    paper = settings.load("paper")
    assert (paper.rerank.beta, round(paper.rerank.alpha * 3, 6)) == (1, 2)
    assert (paper.collaborative.layers, paper.collaborative.embedding_size, paper.mixture.text_pca) == (3, 64, 128)


MISTAKES = [
    (lambda content: content["paper"]["rerank"].update(alhpa=1), r"rallrec.yaml \(paper\): rerank: .*mean 'alpha'"),
    (lambda content: content["paper"]["alignment"].update(temperature=0), "alignment.temperature: .*greater than 0"),
    (lambda content: content.update(papper={}), "unknown key 'papper': did you mean 'paper'"),
    (lambda content: content["paper"].pop("mixture"), "mixture: field required"),
    (lambda content: content.update(paper=[]), "should be a block"),
    (lambda content: content.update(datasets=3), "should be a block"),
]


@pytest.mark.parametrize(("edit", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_one_sentence(edit, said, tmp_path):
    with pytest.raises(UserError, match=said):
        settings.load("paper", "bookcrossing", params=changed(tmp_path, edit))


def test_an_unknown_scale():
    with pytest.raises(UserError, match="did you mean 'quick'"):
        settings.load("quik")


def test_editors_accept_the_file_and_mark_mistakes_in_any_block():
    content, schema = yaml.safe_load(FILE.read_text()), settings.schema()
    jsonschema.validate(content, schema)
    for block in (content["paper"]["rerank"], content["quick"]["retrieval"], content["datasets"]["bookcrossing"]):
        block["misspelt"] = 1
        with pytest.raises(jsonschema.ValidationError, match="misspelt"):
            jsonschema.validate(content, schema)
        del block["misspelt"]
    del content["paper"]["rerank"]["beta"]
    with pytest.raises(jsonschema.ValidationError, match="beta"):
        jsonschema.validate(content, schema)
