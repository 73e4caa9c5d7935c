"""DeepFM, xDeepFM, DCN and AutoInt of deepctr-torch, with all of their settings said and four of its traps closed.

1. It counts vocabularies where it needs fields, so vectors that two fields share break xDeepFM and AutoInt. Here each
   field is built with vectors of its own, and those of a field that shares are then taken away.
2. It starts the layers of the deep part at a spread of 1e-4, from which they hardly learn; torch's own start is put in
   its place.
3. It adds penalties of its own; all are switched off.
4. Number 0 has a vector as any other, random and never trained; here it is zero and stays so.
"""

import torch
from pydantic import Field as Option
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import unknown
from lib.core.settings import Strict
from lib.models.click.deepctr import library
from lib.models.click.features import Field


class NetworkSettings(Strict):
    """What all four have: a vector per value, a deep part and a linear part."""

    embedding_size: int = Option(ge=1, le=4096, description="width of the vector of each value")
    hidden: tuple[int, ...] = Option(min_length=1, description="widths of the deep part's layers")
    dropout: float = Option(ge=0, lt=1, description="share of the deep part's outputs that a step leaves out")
    spread: float = Option(gt=0, description="standard deviation of the vectors before training")

    def own(self) -> dict:
        """What only this model has, as the library names it."""
        return {}


class DeepFM(NetworkSettings):
    """Products of all pairs of fields beside the deep part (Guo et al. 2017)."""


class XDeepFM(NetworkSettings):
    """Compressed interaction network: products of higher order, vector by vector (Lian et al. 2018)."""

    cin: tuple[int, ...] = Option(min_length=1, description="feature maps of each layer of the interaction network")

    def own(self) -> dict:
        """The interaction network; half of a layer's maps go on to the next one, as in the authors' code."""
        return {"cin_layer_size": self.cin, "cin_split_half": True}


class DCN(NetworkSettings):
    """Cross layers: products of higher order, number by number (Wang et al. 2017)."""

    cross_layers: int = Option(ge=1, le=100, description="each raises the order of products by one")

    def own(self) -> dict:
        """The cross layers, with one weight vector each."""
        return {"cross_num": self.cross_layers, "l2_reg_cross": 0}


class AutoInt(NetworkSettings):
    """Fields attend to one another (Song et al. 2019)."""

    attention_layers: int = Option(ge=1, le=100, description="layers of attention")
    heads: int = Option(ge=1, description="of each layer; they divide the vectors' width, which is that of attention")

    def own(self) -> dict:
        """Attention with residuals."""
        return {"att_layer_num": self.attention_layers, "att_head_num": self.heads, "att_res": True}


NETWORKS = {"deepfm": DeepFM, "xdeepfm": XDeepFM, "dcn": DCN, "autoint": AutoInt}  # in the order of RALLRec's tables
CLASSES = {"deepfm": "DeepFM", "xdeepfm": "xDeepFM", "dcn": "DCN", "autoint": "AutoInt"}  # as the library names them


def settings_class(name: str) -> type[NetworkSettings]:
    """The settings of a model; raises UserError with the nearest name."""
    if name not in NETWORKS:
        raise unknown("click model", name, NETWORKS)
    return NETWORKS[name]


class Shared(nn.Module):
    """How a network looks its fields up, in place of the library's way: shared vectors, and sums without copies."""

    def input_from_feature_columns(self, numbers: Tensor, columns, tables) -> tuple[list[Tensor], list[Tensor]]:
        """The vector of each field [B, 1, d], for a history the mean of those of its entries."""
        return [self._looked_up(field, numbers, tables)[:, None] for field in self.fields], []

    def _looked_up(self, field: Field, numbers: Tensor, tables) -> Tensor:
        begin, end = self.feature_index[field.name]
        table = tables[field.shares or field.name].weight
        if field.width == 1:
            return table.index_select(0, numbers[:, begin].long())
        return F.embedding_bag(numbers[:, begin:end].long(), table, mode="mean", padding_idx=0)


class LinearPart(Shared):
    """The sum of one weight for each field's value; those of a history are not the weights of targets."""

    def __init__(self, tables: nn.ModuleDict, fields: tuple[Field, ...], feature_index: dict):
        super().__init__()
        self.tables, self.feature_index = tables, feature_index
        self.fields = tuple(Field(field.name, field.size, field.width) for field in fields)

    def forward(self, numbers: Tensor) -> Tensor:
        """[B, columns] -> [B, 1]."""
        vectors, _ = self.input_from_feature_columns(numbers, None, self.tables)
        return torch.cat(vectors, dim=1).sum(1)


def network(name: str, fields: tuple[Field, ...], settings: NetworkSettings, seed: int) -> nn.Module:
    """An untrained model on the processor: numbers [B, columns] float32 -> logits [B, 1]."""
    with torch.random.fork_rng(devices=[]):  # the library seeds the generator of the whole process
        model = _class(name)(*_arguments(fields, settings), **_options(settings, seed))
        for layer in model.dnn.linears:
            layer.reset_parameters()
    model.fields = fields
    model.linear_model = LinearPart(model.linear_model.embedding_dict, fields, model.feature_index)
    for field in fields:
        if field.shares:
            del model.embedding_dict[field.name]
    model.regularization_weight = []  # lists of weights, some of which are gone
    for table in [*model.embedding_dict.values(), *model.linear_model.tables.values()]:
        table.weight.data[0] = 0  # no row of training has this number, so it never gets a gradient
    for layer in getattr(model, "int_layers", ()):
        layer.scaling = True  # divides by the root of the width, as all attention does; the library cannot be told
    return model


def _class(name: str) -> type:
    """The library's class, with our way of looking fields up."""
    settings_class(name)
    return type(CLASSES[name], (Shared, getattr(library().models, CLASSES[name])), {})


def _arguments(fields: tuple[Field, ...], settings: NetworkSettings) -> tuple[list, list]:
    """The fields as the library describes them, for its linear and for its deep part."""
    columns = []
    for field in fields:
        column = library().SparseFeat(field.name, field.size, settings.embedding_size)
        columns.append(column if field.width == 1 else library().VarLenSparseFeat(column, field.width, "mean"))
    return columns, columns


def _options(settings: NetworkSettings, seed: int) -> dict:
    options = {"dnn_hidden_units": settings.hidden, "dnn_dropout": settings.dropout, "init_std": settings.spread}
    # a regression's output is the logit
    return options | {"l2_reg_embedding": 0, "l2_reg_dnn": 0, "seed": seed, "task": "regression"} | settings.own()
