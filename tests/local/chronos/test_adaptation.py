import numpy as np
import pytest

from nixtla_accessor.local.chronos.adaptation import FULL, LORA_A, LORA_B, apply, combine, dump, load_for, scale

RNG = np.random.default_rng(0)
BASE = {name: RNG.normal(size=(20, 30)).astype(np.float32) for name in ("a.weight", "b.weight")}


def parameter(name):
    return BASE[name]


def factors(name, rank, seed):
    rng = np.random.default_rng(seed)
    return {
        LORA_A + name: rng.normal(size=(rank, 30)).astype(np.float32),
        LORA_B + name: rng.normal(size=(20, rank)).astype(np.float32),
    }


def full(name, seed):
    return {FULL + name: np.random.default_rng(seed).normal(size=(20, 30)).astype(np.float32)}


def after(earlier, later):
    """Compute the parameters after two trainings, one applied to the outcome of the other."""
    first = {**BASE, **apply(earlier, parameter)}
    return {**first, **apply(later, first.__getitem__)}


CHAINS = {
    "factors, factors": (factors("a.weight", 2, 1), factors("a.weight", 3, 2)),
    "other weights": (factors("a.weight", 2, 1), factors("b.weight", 3, 2)),
    "factors, weights": (factors("a.weight", 2, 1), full("a.weight", 2)),
    "weights, factors": (full("a.weight", 1), factors("a.weight", 2, 2)),
    "weights, weights": (full("a.weight", 1), full("a.weight", 2)),
    "larger than the weight": (factors("a.weight", 8, 1), factors("a.weight", 8, 2)),
    "nothing yet": ({}, factors("a.weight", 2, 1)),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_chain_ends_where_its_trainings_do(chain):
    earlier, later = chain
    combined = {**BASE, **apply(combine(earlier, later, parameter), parameter)}
    for name, expected in after(earlier, later).items():
        assert np.allclose(combined[name], expected, atol=1e-4)


def test_a_chain_never_takes_more_room_than_the_weights():
    arrays = {}
    for seed in range(30):
        arrays = combine(arrays, factors("a.weight", 2, seed), parameter)
        assert sum(array.size for array in arrays.values()) <= 20 * 30


@pytest.mark.parametrize("later", [factors("a.weight", 2, 1), full("a.weight", 1)])
def test_a_part_lies_between_the_beginning_and_the_end(later):
    def at(alpha):
        return apply(scale(later, alpha, parameter), parameter)["a.weight"]

    assert np.allclose(at(0.0), BASE["a.weight"])
    assert np.allclose(at(1.0), apply(later, parameter)["a.weight"])
    assert np.allclose(at(0.25), 0.75 * at(0.0) + 0.25 * at(1.0), atol=1e-5)


def test_nothing_given_is_written_into():
    earlier, later = CHAINS["factors, factors"]
    before = {name: array.copy() for name, array in (BASE | earlier | later).items()}
    apply(combine(earlier, scale(later, 0.5, parameter), parameter), parameter)
    assert all(np.array_equal((BASE | earlier | later)[name], array) for name, array in before.items())


@pytest.mark.parametrize("arrays", [{}, factors("a.weight", 2, 1) | full("b.weight", 1)])
def test_bytes_are_read_for_the_same_base_only(arrays):
    data = dump(arrays, "its checksum")
    read = load_for(data, "its checksum")
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[name], array) for name, array in arrays.items())
    with pytest.raises(ValueError, match="other weights"):
        load_for(data, "another")


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      ", b"x" * 100, dump({}, "x")[:-1]],
    ids=["nothing", "text", "no name", "no header", "cut"],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError, match="not those of a fine-tuned Chronos-2 model"):
        load_for(data, "x")
