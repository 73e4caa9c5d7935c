"""Display names: every name of the library has one, and what is not known stays as it is."""

import pandas as pd
import pytest

from lib.core import names
from lib.core.files import ROOT, read_yaml
from lib.evaluation.verdicts.against_base import again
from lib.results import display_names, writers


def modules(folder):
    return {path.stem for path in (ROOT / "lib/models" / folder).glob("*.py")} - {"__init__"}


def test_every_backbone_alignment_method_and_encoder_has_a_display_name():
    assert set(names.BACKBONES) | modules("backbones") <= set(display_names.BACKBONES)
    assert {"sasrec", "dreamrec", "llm_esr"} <= modules("sequential") & set(display_names.BACKBONES)
    assert set(names.ALIGNMENTS) | modules("alignment") <= set(display_names.ALIGNMENTS)
    methods = pd.concat([pd.read_csv(path) for path in ROOT.glob("params/published/pte_*.csv")])["method"].dropna()
    assert set(methods) <= set(display_names.METHODS)
    assert {path.stem for path in ROOT.glob("params/encoders/*.yaml")} <= set(display_names.ENCODERS)
    for variants, known in (
        (names.VARIANTS_OF_TEXT, display_names.TEXTS),
        (names.VARIANTS_OF_DATA[1:], display_names.PARTS),
    ):
        assert set(variants) == set(known)
    for shown in (display_names.BACKBONES, display_names.ALIGNMENTS, display_names.METRICS):
        assert len(set(shown.values())) == len(shown)


def test_every_metric_of_the_result_tables_has_a_display_name():
    found = [pd.read_csv(path, usecols=["metric"])["metric"] for path in ROOT.glob("figures/*/*/*.csv") if "metric" in
             path.open().readline().strip().split(",")]  # fmt: skip
    metrics = {str(metric).partition("@")[0] for metric in pd.concat(found)}
    assert {"recall", "ndcg", "auc", "mrr"} <= metrics <= set(display_names.METRICS)


def test_every_dataset_is_called_by_its_title():
    for path in ROOT.glob("params/*/dataset.yaml"):
        assert display_names.dataset(path.parent.name) == read_yaml(path)["title"]


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [
        ("backbone", "lightgcn", "LightGCN"),
        ("backbone", "my_own", "my_own"),
        ("alignment", "base@contrastive", "Base, settings of Contrastive"),
        ("alignment", "generative+weight=0.1", "Generative, weight 0.1"),
        ("alignment", again(2024), "Base (seed 2024)"),
        ("alignment", "text", "text"),
        ("metric", "ndcg@20", "NDCG@20"),
        ("metric", "auc", "AUC"),
        ("encoder", "minilm+shuffled", "MiniLM, shuffled text"),
        ("encoder", "mine/vectors.npy#1a2b3c4d", "vectors"),
        ("dataset", "movielens-100k+noise=0.1", "MovieLens-100K, noise 0.1"),
        ("dataset", "unheard-of", "unheard-of"),
        ("method", "llm_esr", "LLM-ESR"),
    ],
)
def test_names_are_those_of_the_papers(kind, name, shown):
    assert getattr(display_names, kind)(name) == shown


def test_pages_have_display_names_and_files_do_not():
    frame = pd.DataFrame(
        {"backbone": ["gccf"], "against": ["matched base"], "metric": ["recall@20"], "contrastive": [0.1]}
    )
    page = writers.to_page(frame, "x.csv")
    assert "| GCCF" in page and "| matched base" in page and "| Recall@20" in page and "Contrastive |" in page
    assert "gccf" in writers.to_latex(frame) and "gccf" in writers.to_markdown(frame)
