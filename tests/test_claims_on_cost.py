"""Where a cost stops to be moderate, and what would make scoring dearer."""

import pandas as pd

from lib.evaluation.verdicts import claims_on_cost


def test_up_to_three_times_base_is_moderate():
    found = claims_on_cost.training_verdict(pd.Series([1.26, 3.0]), "2 x chip")
    assert found == "supported: 1.3 to 3.0 times base's epoch on 2 x chip"
    found = claims_on_cost.training_verdict(pd.Series([1.2, 3.01]), "2 x chip")
    assert found == "not supported: 1.2 to 3.0 times base's epoch on 2 x chip"


def test_scoring_is_free_where_nothing_but_equally_wide_vectors_is_needed():
    assert claims_on_cost.scoring_verdict(True, True, 1e-7) == "supported"
    for other in [(False, True, 0.0), (True, False, 0.0), (True, True, 1e-6)]:
        assert claims_on_cost.scoring_verdict(*other) == "not supported"
