"""Where a cost stops to be moderate, and what would make scoring dearer."""

import numpy as np
import pandas as pd

from lib.evaluation.verdicts import claims_on_cost


def ratios(ours, paper=(1.1, 2.2)):
    return pd.DataFrame({"ours": ours, "paper": paper})


def test_up_to_three_times_base_is_moderate():
    found = claims_on_cost.training_verdict(ratios([1.26, 3.0]), "2 x chip", 2)
    paper = "the paper's own code: 1.1 to 2.2 times on an RTX 3090"
    assert found == f"supported: 1.3 to 3.0 times base's epoch on 2 x chip with 2 threads, {paper}"
    found = claims_on_cost.training_verdict(ratios([1.2, 3.01]), "2 x chip", 1)
    assert found.startswith("not supported: 1.2 to 3.0 times base's epoch on 2 x chip with 1 thread, the paper's")


def test_models_that_the_paper_lacks_do_not_count_in_its_range():
    assert claims_on_cost.paper_ratios(ratios([1, 2], [np.nan, 2.2])).endswith("2.2 to 2.2 times on an RTX 3090")
    assert claims_on_cost.paper_ratios(ratios([1, 2], [np.nan] * 2)) == "the paper's own code: not known"


def test_threads_sentences_say_how_the_ratio_moves_and_why():
    rows = [
        ("base", 1, 2.0, 1.0),
        ("base", 4, 1.6, 1.0),
        ("contrastive", 4, 16.0, 10.0),
        ("contrastive", 1, 48.0, 24.0),
    ]
    table = pd.DataFrame(rows, columns=["alignment", "threads", "seconds_per_epoch", "times_base"])
    (found,) = claims_on_cost.threads_sentences(table.assign(backbone="gccf"))
    said = "24.0 times base with 1, 10.0 times base with 4; from 1 to 4 it gets 3.0 and base 1.2 times as fast"
    assert found == f"gccf contrastive, threads: {said}"
    (alone,) = claims_on_cost.threads_sentences(table[table.threads == 1].assign(backbone="gccf"))
    assert alone == "gccf contrastive, threads: 24.0 times base with 1 (no other number compared)"


def test_scoring_is_free_where_nothing_but_equally_wide_vectors_is_needed():
    assert claims_on_cost.scoring_verdict(True, True, 1e-7) == "supported"
    for other in [(False, True, 0.0), (True, False, 0.0), (True, True, 1e-6)]:
        assert claims_on_cost.scoring_verdict(*other) == "not supported"
