"""Crops a second: the embedded Triton server against onnxruntime in process and torch, in the same run.

    python -m benchmarks.inference [--seconds 10] [--threads 2]

Rounds of the contenders alternate, so that a busy machine is unfair to all alike; the best round counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import torch

from tasks.infer.client import TritonClient
from tasks.infer.environment import in_project
from tasks.infer.manifest import WEIGHTS_FILE, newest_version
from tasks.infer.server import EmbeddedServer
from tasks.learn.network import build_network
from tasks.settings import Inference

STUDY_CROPS = 4
BATCH_CROPS = 16
ROUNDS = 3


def main() -> None:
    """Measure and print one line per contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a round")
    parser.add_argument("--threads", type=int, default=2, help="threads of the model, for every contender")
    options = parser.parse_args()
    settings = Inference(threads=options.threads)
    random = np.random.default_rng(0)
    batch = random.integers(-200, 400, (BATCH_CROPS, 224, 224)).astype(np.int16)
    study = batch[:STUDY_CROPS]

    weights = newest_version(in_project(settings.model_repository) / settings.model_name) / WEIGHTS_FILE
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(weights, session_options)
    torch.set_num_threads(options.threads)
    network = build_network(seed=0).eval()

    def with_torch() -> int:
        with torch.inference_mode():
            network(torch.from_numpy(batch))
        return BATCH_CROPS

    def in_process(crops: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> int:
        session.run(None, {"hu": crops})
        return len(crops)

    with EmbeddedServer(settings) as server:
        client = TritonClient(server.url, settings)
        bodies = TritonClient(server.url, settings.model_copy(update={"shared_memory": "off"}))
        contenders: dict[str, Callable[[], int]] = {
            "torch eager, batches of 16": with_torch,
            "onnxruntime in process, batches of 16": lambda: in_process(batch),
            "onnxruntime in process, one study of 4 at a time": lambda: in_process(study),
            "embedded Triton, shared memory, one study of 4 at a time": lambda: ask(client, study),
            "embedded Triton, shared memory, 4 studies of 4 at once": lambda: ask_at_once(client, study),
            "embedded Triton, gRPC bodies, 4 studies of 4 at once": lambda: ask_at_once(bodies, study),
        }
        best = dict.fromkeys(contenders, 0.0)
        for _ in range(ROUNDS):
            for name, run in contenders.items():
                best[name] = max(best[name], crops_a_second(run, options.seconds / ROUNDS))
        client.close()
        bodies.close()
    for name, rate in best.items():
        print(f"{rate:7.1f} crops/s  {name}")


def ask(client: TritonClient, crops: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> int:
    """One request; the number of crops in it."""
    return len(client.infer(crops).logits)


def ask_at_once(client: TritonClient, crops: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> int:
    """As four worker threads do it, each with studies of its own, several times over."""
    with ThreadPoolExecutor(4) as workers:
        return sum(workers.map(lambda _: ask(client, crops), range(16)))


def crops_a_second(run: Callable[[], int], seconds: float) -> float:
    """Rate over at least `seconds`, after one run that does not count."""
    run()
    began = time.perf_counter()
    done = 0
    while time.perf_counter() - began < seconds:
        done += run()
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
