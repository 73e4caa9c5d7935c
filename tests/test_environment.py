"""Where a result was made: git state, versions and machine, without a trace of whoever made it."""

import getpass
import json
import os
import socket
import subprocess
from pathlib import Path

import numpy as np

from lib.core.environment import environment, git_state
from lib.core.files import ROOT


def test_the_environment_names_code_versions_and_machine_but_no_person():
    content = environment()
    assert content["versions"]["numpy"] == np.__version__ and content["machine"]["cpus"] == os.cpu_count()
    text = json.dumps(content)
    for private in (socket.gethostname(), getpass.getuser(), str(Path.home()), str(ROOT)):
        assert f'"{private}' not in text and f" {private} " not in text


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_git_state_knows_a_changed_checkout(tmp_path):
    assert git_state(tmp_path) == {"commit": None, "dirty": None}
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("x = 1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    clean = git_state(tmp_path)
    assert len(clean["commit"]) == 40 and clean["dirty"] is False
    (tmp_path / "figure.png").write_text("a result is no change of the code")
    assert git_state(tmp_path) == clean
    (tmp_path / "lib" / "a.py").write_text("x = 2\n")
    assert git_state(tmp_path) == clean | {"dirty": True}


def test_git_state_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state() == {"commit": None, "dirty": None}
