"""LightGCN base on a generated graph of one size, timed in a process of its own."""

import contextlib
import resource
import time
from itertools import islice
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch

from benchmarks.own_process import peak_memory
from benchmarks.roofline import wait
from lib.core.errors import UserError
from lib.data.dataset_settings import DatasetSettings
from lib.data.readers import npz
from lib.evaluation import ranking
from lib.training import recommender, run_settings
from lib.training.fit import adam, train_epoch
from lib.training.sampler import Sampler
from lib.training.step import stepper

RANKED = 1024  # users, to tell the time of all


class Growing:
    """LightGCN base on the data of a folder, with amazon's settings."""

    def __init__(self, place: str, device: str, memory_gib: float):
        self.place, self.device, self.clock = Path(place), device, {}
        self.settings = run_settings.resolve("amazon", "lightgcn", scale="paper")
        torch.zeros(1, device=device)  # loads what the libraries take before any data is read
        self.before = peak_memory()
        if torch.device(device).type == "cpu":
            limit = int(memory_gib * 2**30)
            # then an allocation fails, instead of the whole machine running out of memory
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def measure(self, steps: int, batches: int) -> dict:
        """Seconds and memory; raises UserError when the memory does not suffice."""
        try:
            return self._measure(steps, batches)
        except Exception as error:  # numpy, torch and DGL each have an error of their own for it
            if not isinstance(error, MemoryError) and "alloc" not in str(error) and "memory" not in str(error):
                raise
            raise UserError(f"the memory does not suffice ({str(error).partition('. ')[0][:80]})") from None

    def _measure(self, steps, batches):
        with self._timed("build_s"):
            data = npz.read(self.place, DatasetSettings(name="generated", title="generated"))
            model = recommender.build(self.settings, data, None, self.device)
            sampler = Sampler(data.train, -(-data.train.nnz // batches), self.device)
        self._train(model, sampler, steps)
        self._rank(model, data)
        on_gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.device(self.device).type == "cuda" else None
        about = {
            "device": self.device, "threads": torch.get_num_threads(), "interactions": data.train.nnz,
            "users": data.n_users, "items": data.n_items, "batch": sampler.batch_size, "batches": len(sampler),
        }  # fmt: skip
        memory = {"memory_mib": peak_memory(), "own_mib": peak_memory() - self.before, "gpu_mib": on_gpu}
        return about | self.clock | memory

    def _train(self, model, sampler, steps):
        step = stepper(model, adam(model, self.settings.protocol))
        generator = torch.Generator(self.device).manual_seed(0)
        with self._timed("sampling_s"):
            epoch = sampler.epoch(generator)
            first = next(epoch)
        train_epoch(step, Few([first]), generator, 0)  # to warm up
        with self._timed("step_s"):
            few = Few(list(islice(epoch, steps)) or [first])
            train_epoch(step, few, generator, 0)
        self.clock["step_s"] /= len(few)
        self.clock["epoch_s"] = self.clock["sampling_s"] + len(sampler) * self.clock["step_s"]

    def _rank(self, model, data):
        with self._timed("final_s"):
            final = model.final()
        tested = int((np.diff(data.test.indptr) > 0).sum())
        some, count = first_users(data.test, RANKED)
        with self._timed("user_s"):
            ranking.evaluate(final, data.n_users, data.train, some, self.settings.protocol.ks)
        self.clock["user_s"] /= count
        self.clock["evaluation_s"] = self.clock["final_s"] + self.clock["user_s"] * tested

    @contextlib.contextmanager
    def _timed(self, name):
        start = time.perf_counter()
        yield
        wait(self.device)
        self.clock[name] = time.perf_counter() - start


class Few:
    """Some batches in place of a sampler's epoch."""

    def __init__(self, batches):
        self.batches = list(batches)

    def __len__(self):
        return len(self.batches)

    def epoch(self, generator):
        return iter(self.batches)


def first_users(relevant: sp.csr_matrix, count: int) -> tuple[sp.csr_matrix, int]:
    """`relevant` without the entries of all but the first `count` users that have any, and how many those are."""
    users = np.flatnonzero(np.diff(relevant.indptr))[:count]
    pointers = np.minimum(relevant.indptr, relevant.indptr[users[-1] + 1])
    entries = pointers[-1]
    return sp.csr_matrix((relevant.data[:entries], relevant.indices[:entries], pointers), relevant.shape), len(users)
