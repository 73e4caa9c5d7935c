"""benchmarks.faults against works whose faults are known."""

import random
import time

import pytest

from benchmarks import faults
from benchmarks.kinds_of_work import KINDS, Work
from lib.core.files import write_text
from lib.core.progress import Progress

WHOLE = "x" * 1000


class Careful(Work):
    """Takes a while, then writes in one piece, as the library does."""

    results = ("out/a",)

    def prepare(self):
        (self.place / "out").mkdir()

    def do(self):
        time.sleep(0.02)
        write_text(self.place / "out/a", WHOLE)


class Torn(Careful):
    """Writes piece by piece."""

    def do(self):
        with (self.place / "out/a").open("w", buffering=1) as file:
            for _ in range(20):
                file.write(WHOLE[:50])
                file.flush()
                time.sleep(0.002)


class Losing(Careful):
    """Deletes the old result before it makes the new one."""

    def reset(self):
        (self.place / "out/a").write_text("old")

    def do(self):
        (self.place / "out/a").unlink(missing_ok=True)
        time.sleep(0.03)
        write_text(self.place / "out/a", WHOLE)


class Confused(Careful):
    """Goes on from what a killed process left, and comes to something else."""

    def reset(self):
        super().reset()
        (self.place / "begun").unlink(missing_ok=True)

    def do(self):
        again = (self.place / "begun").exists()
        (self.place / "begun").touch()
        time.sleep(0.03)
        write_text(self.place / "out/a", WHOLE + "again" * again)


def count(work, tmp_path, kills=12):
    with Progress(kills, "test") as progress:
        return faults.killed(work(tmp_path), work.__name__, kills, random.Random(1), progress)


@pytest.mark.parametrize(
    ("work", "seen"), [(Careful, set()), (Torn, {"torn"}), (Losing, {"lost"}), (Confused, {"different"})]
)
def test_each_fault_is_seen(work, seen, tmp_path):
    found = count(work, tmp_path)
    assert found.kills == 12 and found.ends >= 1
    assert {name for name in ("torn", "lost", "different") if getattr(found, name)} >= seen
    if work is Careful:
        assert not (found.torn | found.lost | found.different)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "notebook"])  # a kernel takes seconds to start
def test_the_librarys_works_outlive_a_few_kills(kind, tmp_path):
    with Progress(2, "test") as progress:
        found = faults.killed(KINDS[kind](tmp_path), kind, 2, random.Random(3), progress)
    assert found.kills == 2 and not (found.torn | found.lost | found.different)


def test_work_that_fails_by_itself_is_told(tmp_path):
    class Broken(Careful):
        def do(self):
            raise ValueError

    with pytest.raises(faults.UserError, match="fails without being killed"):
        count(Broken, tmp_path)


def test_shares_add_up_and_name_every_kind():
    assert set(faults.SHARES) == set(KINDS) and sum(faults.SHARES.values()) == pytest.approx(1)


def test_a_misspelt_kind_is_one_sentence(capsys):
    assert faults.main(["--kinds", "trainings"]) == 2
    assert "unknown kind of work 'trainings': did you mean 'training'" in capsys.readouterr().err
