"""What a killed run goes on from: its tensors and random state, and where it stood."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from lib.core.files import atomic_path


@dataclass
class State:
    """What a run knows besides tensors; stored in the checkpoint's metadata."""

    epoch: int = 0  # the next one
    best: float = -1.0  # validation value so far
    best_epoch: int = -1
    waited: int = 0  # evaluations without improvement
    history: list[dict] = field(default_factory=list)  # one row per epoch


class RunInProgress:
    """The tensors of a run in progress: weights, best weights, optimiser and random state.

    `key` names the run: settings, data and code. A checkpoint of another key is of another run.
    """

    def __init__(self, model, optimizer, generator, key):
        self.model, self.optimizer, self.generator, self.key = model, optimizer, generator, key
        self.best = {}

    def keep_best(self, state: State, value: float) -> None:
        """Copy the weights when the validation value is strictly better; else count one more evaluation in vain."""
        state.waited += 1
        if value > state.best:
            state.best, state.best_epoch, state.waited = value, state.epoch, 0
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def restore_best(self) -> None:
        """Put the best weights back into the model."""
        if self.best:
            self.model.load_state_dict(self.best)

    def save(self, path: Path, state: State) -> None:
        """Write everything that `load` needs into one safetensors file, atomically.

        Its tensors are named model.<weight>, best.<weight>, adam.<parameter>.<slot> and generator. Raises UserError
        when the disk is full.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{slot}": tensor for slot, tensor in slots.items()}
        tensors["generator"] = self.generator.get_state()
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, {"key": self.key, "state": json.dumps(asdict(state))})

    def load(self, path: Path | None) -> State:
        """Go on from a checkpoint of the same run; a missing, foreign or broken one means a fresh start."""
        if not path or not path.exists():
            return State()
        try:
            with safe_open(path, "pt", device=str(self.model.backbone.ego.device)) as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception:  # not a safetensors file: a disk that lies about fsync, or another program's file
            return State()
        if (metadata or {}).get("key") != self.key:
            return State()
        self._restore(tensors)
        return State(**json.loads(metadata["state"]))

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a file, by the names that `save` gives them, where they belong."""
        parts = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        self.model.load_state_dict(parts["model"])
        self.best = parts.get("best", {})
        slots = {}
        for name, tensor in parts["adam"].items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
        # learning rate and the like follow from the settings: only the state is taken from the file
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.generator.set_state(parts["generator"][""].cpu())  # a state is on the CPU, also that of a GPU's generator


def history_frame(state: State) -> pd.DataFrame:
    """One row per epoch: epoch, the mean of each loss term, seconds, and validation metrics where evaluated."""
    return pd.DataFrame(state.history)
