"""The two commands' ground: the lock, and one sentence when Python 3.11 is missing."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile

import pytest
import yaml

from lib.core.files import ROOT


@pytest.fixture
def fresh(tmp_path):
    """A checkout without .venv."""
    for name in ("Makefile", "requirements.lock", "requirements.hashes", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder, *arguments):
    return subprocess.run(["make", "-C", str(folder), "-s", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("python", ["python-of-another-time", "sh"])
def test_without_python_there_is_one_sentence(fresh, python):
    done = make(fresh, "paper", f"PYTHON={python}")
    assert done.returncode != 0 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "needs Python 3.11" in done.stderr and "apt install python3.11 python3.11-venv" in done.stderr
    assert not (fresh / ".venv").exists()


@pytest.mark.parametrize(("user", "flag", "runs"), [(0, "", False), (0, "--allow-root", True), (1000, "", True)])
def test_as_root_the_laboratory_names_the_flag_that_it_needs(fresh, user, flag, runs):
    tools = fresh / ".venv/bin"
    tools.mkdir(parents=True)
    for name, line in (("id", f"echo {user}"), ("jupyter", 'echo ran: "$@"')):
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    (fresh / ".venv/installed").touch()
    path = f"{tools}:{os.environ['PATH']}"
    command = ["make", "-C", str(fresh), "-s", "lab", f"LAB={flag}"]
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert (done.returncode == 0) == runs
    assert done.stdout.split() == (["ran:", "lab", *flag.split(), "notebooks"] if runs else [])
    assert runs or "make lab LAB=--allow-root" in done.stderr.splitlines()[0]


def test_clean_deletes_only_when_asked(fresh):
    (fresh / "runs").mkdir()
    assert "nothing deleted" in make(fresh, "clean").stdout
    assert (fresh / "runs").exists()
    make(fresh, "clean", "CONFIRM=yes")
    assert not (fresh / "runs").exists()


def test_a_release_holds_what_is_finished_and_no_data(fresh):
    kept = ["figures/README.md", "runs/toy/none/gccf/base/seed1/manifest.json", "runs/toy+noise=0.1/notebooks/a.done"]
    left = ["data/toy/x.csv", "runs/tiny/toy/x.json", "runs/toy/none/gccf/base/seed1/.lock", "runs/toy/b.running.ipynb"]
    left += ["runs/toy/none/gccf/base/seed1/checkpoint.safetensors", "runs/toy/notebooks/c.failure.md"]
    for name in (*kept, *left):
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).write_text(name)
    (fresh / "params").mkdir()
    (fresh / "params/experiments.yaml").write_text("toy:\n  scale: quick\n")
    done = make(fresh, "release")
    digest, name = done.stdout.split()
    assert hashlib.sha256((fresh / name).read_bytes()).hexdigest() == digest
    with tarfile.open(fresh / name) as archive:
        assert sorted(member.name for member in archive if member.isfile()) == sorted(kept)


def test_lock_is_exact_and_for_every_machine():
    pins = (ROOT / "requirements.lock").read_text().split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)  # no local label such as +cpu, no address
    names = {pin.split("==")[0].lower() for pin in pins}
    assert not {name for name in names if name.startswith("nvidia") or name in ("pip", "triton", "recbole")}
    assert {"torch", "dgl", "packaging", "papermill", "snakemake", "nbval", "gguf"} <= names


def test_every_file_that_the_lock_may_resolve_to_has_its_hash():
    """The names and versions of both files are the same, and what is installed here came from a file that is listed."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "requirements.hashes").read_text()).replace("\\\n", " ")
    hashes = {pin: rest.split() for pin, *rest in (line.split(" ", 1) for line in text.splitlines()) for rest in rest}
    pins = (ROOT / "requirements.lock").read_text().split()
    assert {canonical(pin) for pin in hashes} == {canonical(pin) for pin in pins}
    for pin, found in hashes.items():
        assert found and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in found), pin
    # one for each system and Python that its wheels are for, and the build for processors
    assert len(hashes["torch==2.13.0"]) > 10 and len(hashes["numpy==2.4.6"]) > 10


def canonical(pin: str) -> str:
    return re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() + "==" + pin.partition("==")[2]


def test_conda_takes_the_same_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert "python=3.11" in conda and {"pip": ["-r requirements.lock"]} in conda
