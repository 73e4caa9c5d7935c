"""TF-IDF vectors: no last bit of a solver, an order of sums or a number of threads shows in them."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from lib.core.errors import UserError
from lib.language import term_vectors
from lib.language.term_vectors import directions, rounded, signed_by_rule, term_weights

DIMENSIONS = 24


@pytest.fixture(scope="module")
def texts():
    """400 texts of words as rare as in a language, and one text whose only word no other text has."""
    rng = np.random.default_rng(5)
    words = np.array([f"w{number:03}" for number in range(300)])
    share = 1 / np.arange(1, 301)
    drawn = [" ".join(rng.choice(words, 30, p=share / share.sum())) for _ in range(400)]
    return [*drawn, "alone"]


@pytest.fixture(scope="module")
def terms(texts):
    return term_weights(texts)


@pytest.fixture(scope="module")
def expected(texts):
    return term_vectors.term_vectors(texts, DIMENSIONS)


def vectors_of(terms):
    return rounded(terms @ directions(terms, DIMENSIONS), normalise=True)


def test_a_dense_eigendecomposition_gives_the_same_bytes(terms, expected):
    dense = terms.toarray()
    _, found = np.linalg.eigh(dense.T @ dense)  # the largest stand last
    own = rounded(dense @ signed_by_rule(found[:, ::-1][:, :DIMENSIONS]), normalise=True)
    assert own.tobytes() == expected.tobytes()


def test_the_order_of_sums_does_not_show(terms, expected):
    order = np.random.default_rng(1).permutation(terms.shape[1])
    words_in_another_order = terms[:, order].tocsr()
    assert vectors_of(words_in_another_order).tobytes() == expected.tobytes()
    order = np.random.default_rng(2).permutation(terms.shape[0])
    assert vectors_of(terms[order])[np.argsort(order)].tobytes() == expected.tobytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_show(texts, expected, threads):
    with threadpool_limits(threads):
        assert term_vectors.term_vectors(texts, DIMENSIONS).tobytes() == expected.tobytes()


def test_noise_of_the_last_bits_does_not_show(terms, expected):
    noisy = terms.copy()
    noisy.data = noisy.data + 1e-12 * np.random.default_rng(3).normal(size=noisy.nnz)
    assert (noisy.data != terms.data).any()
    assert vectors_of(noisy).tobytes() == expected.tobytes()


def test_up_to_signs_they_are_scikit_learns_to_the_last_decimal(terms, expected):
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    plain = normalize(TruncatedSVD(DIMENSIONS, algorithm="arpack", random_state=0).fit_transform(terms)[:-1])
    signs = np.sign((plain * expected[:-1]).sum(axis=0))
    np.testing.assert_allclose(expected[:-1], plain * signs, atol=0.51e-5)


def test_a_text_of_unknown_words_gets_zeros_and_all_others_length_1(expected):
    assert expected.dtype == np.float32 and not expected[-1].any()
    np.testing.assert_allclose(np.linalg.norm(expected[:-1], axis=1), 1, atol=5e-5)
    assert not np.signbit(expected[expected == 0]).any()  # -0.0 equals 0.0, but has other bytes


def test_without_scaling_rows_keep_their_lengths(texts, terms):
    found = term_vectors.term_vectors(texts, DIMENSIONS, normalise=False)
    np.testing.assert_allclose(found, terms @ directions(terms, DIMENSIONS), atol=0.51e-5)
    assert np.linalg.norm(found, axis=1).std() > 0.01


def test_what_a_solver_leaves_of_zero_is_zero():
    found = rounded(np.array([[3e-17, -4e-17], [-3.0, -4e-9]]), normalise=True)
    assert found.tolist() == [[0, 0], [-1, 0]] and not np.signbit(found[:, 1]).any()


def test_of_two_equally_large_weights_the_first_decides_the_sign():
    column = np.array([[0.1], [-0.7], [0.7]])
    for last_bits in (0, 1e-15, -1e-15):
        found = signed_by_rule(column + [[0], [0], [last_bits]])
        assert found[1] > 0 and found[2] < 0


def test_more_dimensions_than_words_are_refused(texts):
    with pytest.raises(UserError, match="lower dimensions"):
        term_vectors.term_vectors(texts, 300)
