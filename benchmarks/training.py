"""Seconds per training epoch and per full evaluation of one cell; writes nothing.

python benchmarks/training.py amazon lightgcn [alignment] [--engine dgl torch]
"""

import argparse
import statistics
import time

import torch

from lib import params, ranking, runs, training
from lib.graph import ENGINES


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("backbone")
    parser.add_argument("alignment", nargs="?", default="base")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--engine", choices=ENGINES, nargs="+", default=[None])
    chosen = parser.parse_args()
    device = runs.pick_device(chosen.device)
    settings = params.resolve(chosen.dataset, chosen.backbone, chosen.alignment, scale="paper")
    inputs = runs.Inputs.load(settings)
    print(f"{chosen.dataset} {chosen.backbone} {chosen.alignment}, {device}, {torch.get_num_threads()} threads")
    for engine in chosen.engine:
        model = training.build(settings, inputs.data, inputs.text_tensor(), device, engine)
        epochs, evaluations = measure(model, inputs.data, settings.protocol, device, chosen.epochs)
        name = model.backbone.graph.engine
        epoch, evaluation = map(statistics.median, (epochs, evaluations))
        print(f"{name:6} epoch {epoch:.3f} s, evaluation {evaluation:.3f} s (medians)")


def measure(model, data, protocol, device, epochs):
    """Seconds of each epoch and each evaluation, after one of each to warm up."""
    sampler = training.Sampler(data.train, protocol.batch_size, device)
    optimizer = training.adam(model, protocol)
    generator = torch.Generator(device).manual_seed(0)
    epoch_times, evaluation_times = [], []
    for epoch in range(epochs + 1):
        start = time.perf_counter()
        training.train_epoch(model, optimizer, sampler, generator, epoch)
        epoch_times.append(time.perf_counter() - start)
        start = time.perf_counter()
        ranking.evaluate(model.final(), data.n_users, data.train, data.validation, protocol.ks)
        evaluation_times.append(time.perf_counter() - start)
    return epoch_times[1:], evaluation_times[1:]


if __name__ == "__main__":
    main()
