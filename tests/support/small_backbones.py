"""Every backbone over one small graph, and a batch for it, for tests of several modules."""

import torch
import toys
from components import added

from lib.models import backbones
from lib.models.graph import bipartite
from lib.models.graph_engine import ENGINES, choose_engine
from lib.training.sampler import Sampler

WORKING_ENGINES = [name for name in ENGINES if name != "dgl" or choose_engine() == "dgl"]
DATA = toys.interactions()
N_USERS, N = DATA.n_users, DATA.n_users + DATA.n_items
SETTINGS = {
    "lightgcn": dict(layers=3, reg_weight=1e-4, keep_rate=0.8),
    "gccf": dict(layers=2, reg_weight=1e-4, self_loops=True),
    "sgl": dict(layers=3, reg_weight=1e-4, keep_rate=0.8, ssl_weight=0.1, ssl_temperature=0.2),
    "simgcl": dict(layers=3, reg_weight=1e-4, noise=0.3, ssl_weight=0.1, ssl_temperature=0.2),
    "dccf": dict(layers=2, reg_weight=1e-4, intents=6, ssl_weight=1e-2, ssl_temperature=0.1),
    "autocf": dict(
        layers=2,
        reg_weight=1e-4,
        ssl_weight=0.5,
        transformer_layers=1,
        heads=4,
        seeds=1,
        mask_depth=1,
        extra_masked=0.2,
        refresh_every=3,
    ),
}

ADDED = added()
# of a backbone that is not shipped, those with which a yaml file trains it
SETTINGS |= {name: cell.backbone_settings for (name, _), cell in reversed(ADDED.items()) if name not in SETTINGS}


def made(name, data=DATA, ego_size=8, engine=None, **changes):
    """A backbone by name, with some settings changed."""
    kind = backbones.get(name)
    settings = kind.Settings(**SETTINGS[name] | changes)
    graph = bipartite(data.train, settings.self_loops, engine=engine)
    return kind(graph, settings, ego_size, torch.Generator().manual_seed(0))


def batch(seed=2):
    """The first batch of an epoch: 64 rows, some users and items more than once."""
    return next(Sampler(DATA.train, 64).epoch(torch.Generator().manual_seed(seed)))
