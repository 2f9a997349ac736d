"""The client against a real Triton server: the same numbers by every way, and named failures."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import psutil
import pytest

from tasks.infer import shared
from tasks.infer.channel import connect, is_local
from tasks.infer.client import Prediction, TritonClient, shared_client
from tasks.infer.server import EmbeddedServer
from tasks.infer.shared import FOLDER
from tasks.infer.slots import MAX_CROPS
from tasks.outcomes import ConfigurationError, Failed, Reason
from tasks.settings import Inference
from tests.infer.conftest import process_of
from tests.infer.models import NAME, fast_repository, noise, odd_heatmap_repository, slow_repository

pytestmark = [pytest.mark.triton, pytest.mark.xdist_group("triton")]


def in_process(settings: Inference, crops: npt.NDArray[np.int16]) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(settings.model_repository / NAME / "1" / "model.onnx")
    logits, heatmaps = session.run(["logit", "heatmap"], {"hu": crops})
    return logits[:, 0], heatmaps


def batches(server: EmbeddedServer) -> dict[int, int]:
    """How often the server ran a batch of each size so far."""
    with connect(server.url) as client:
        statistics = client.get_inference_statistics(NAME).model_stats[0]
    return {int(item.batch_size): int(item.compute_infer.count) for item in statistics.batch_stats}


@pytest.mark.parametrize("shared_memory", ["on", "off"])
@pytest.mark.parametrize("count", [1, 4, MAX_CROPS, 3 * MAX_CROPS + 1])
def test_answers_are_those_of_the_model_in_process(
    server: EmbeddedServer, fast: Inference, shared_memory: str, count: int
) -> None:
    client = TritonClient(server.url, fast.model_copy(update={"shared_memory": shared_memory}))
    crops = noise(count, seed=count)
    answer = client.infer(crops)
    logits, heatmaps = in_process(fast, crops)
    np.testing.assert_array_equal(answer.logits, logits)
    np.testing.assert_array_equal(answer.heatmaps, heatmaps)
    assert answer.logits.dtype == np.float32 and answer.model_version == "1"
    requests = -(-count // MAX_CROPS)
    expected = (requests, 0) if shared_memory == "on" else (0, requests)
    assert (client.traffic.by_shared_memory, client.traffic.by_grpc_body) == expected
    client.close()


def test_crops_written_in_place_are_the_ones_that_are_judged(server: EmbeddedServer, fast: Inference) -> None:
    client = TritonClient(server.url, fast)
    crops = noise(3)
    with client.crops(3) as slot:
        for place, crop in zip(slot.pixels, crops, strict=True):
            place[...] = crop
        answer = client.infer(slot)
    np.testing.assert_array_equal(answer.logits, in_process(fast, crops)[0])
    client.close()


def test_requests_of_different_studies_share_batches(server: EmbeddedServer, fast: Inference) -> None:
    client = TritonClient(server.url, fast.model_copy(update={"max_in_flight": 8}))
    client.infer(noise(1))
    before = batches(server)
    studies = [noise(2, seed=seed) for seed in range(64)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(client.infer, studies))
    for study, answer in zip(studies, answers, strict=True):
        np.testing.assert_array_equal(answer.logits, in_process(fast, study)[0])
    grown = {size: runs - before.get(size, 0) for size, runs in batches(server).items()}
    assert sum(size * runs for size, runs in grown.items()) == 128
    assert sum(runs for size, runs in grown.items() if size > 2) > 0
    client.close()


def ask(work: tuple[TritonClient, npt.NDArray[np.int16]]) -> Prediction:
    client, crops = work
    return client.infer(crops)


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_several_processes_use_it_at_once(server: EmbeddedServer, fast: Inference, start: str) -> None:
    client = TritonClient(server.url, fast)
    studies = [noise(4, seed=seed) for seed in range(12)]
    if start == "spawn":
        client.infer(studies[0])  # gRPC may not be used before a fork; a started client must survive pickling
    with multiprocessing.get_context(start).Pool(3) as pool:
        answers = pool.map(ask, [(client, study) for study in studies], chunksize=1)
    for study, answer in zip(studies, answers, strict=True):
        np.testing.assert_array_equal(answer.logits, in_process(fast, study)[0])
    client.close()


def test_a_process_has_one_client_per_server(server: EmbeddedServer, fast: Inference) -> None:
    client = shared_client(server.url, fast)
    assert pickle.loads(pickle.dumps(client)) is client  # noqa: S301 - our own bytes


def test_whoever_finds_no_free_slot_waits(server: EmbeddedServer, fast: Inference) -> None:
    settings = fast.model_copy(update={"max_in_flight": 1, "timeout_s": 0.25, "retries": 0})
    client = TritonClient(server.url, settings)
    with client.crops(1), ThreadPoolExecutor(1) as other:
        with pytest.raises(Failed) as failure:
            other.submit(client.infer, noise(1)).result()
        assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE and "slot" in failure.value.detail
    assert client.infer(noise(1)).logits.shape == (1,)
    client.close()


@pytest.mark.parametrize("count", [0, MAX_CROPS + 1])
def test_a_slot_has_room_for_a_few_crops(server: EmbeddedServer, fast: Inference, count: int) -> None:
    with pytest.raises(ValueError, match=str(MAX_CROPS)), TritonClient(server.url, fast).crops(count):
        pass


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, 224, 224), np.float32),
        np.zeros((1, 224, 223), np.int16),
        np.zeros((224, 224), np.int16),
        np.zeros((0, 224, 224), np.int16),
    ],
)
def test_only_crops_are_sent(server: EmbeddedServer, fast: Inference, crops: npt.NDArray[np.int16]) -> None:
    with pytest.raises(ValueError, match="int16"):
        TritonClient(server.url, fast).infer(crops)


def test_shared_memory_is_given_back(server: EmbeddedServer, fast: Inference) -> None:
    gc.collect()  # clients of earlier tests give theirs back when they are collected
    before = set(FOLDER.glob(f"{shared.PREFIX}*"))
    client = TritonClient(server.url, fast)
    client.infer(noise(2))
    made = set(FOLDER.glob(f"{shared.PREFIX}*")) - before
    assert made
    with connect(server.url) as plain:
        held = len(plain.get_system_shared_memory_status().regions)
        client.close()
        assert len(plain.get_system_shared_memory_status().regions) == held - 1
    assert not any(file.exists() for file in made)
    assert client.infer(noise(1)).logits.shape == (1,)  # and it starts over when it is used again
    client.close()


def test_without_room_for_shared_memory_crops_go_in_bodies(
    server: EmbeddedServer, fast: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    client = TritonClient(server.url, fast)
    client.infer(noise(2))
    assert (client.traffic.by_shared_memory, client.traffic.by_grpc_body) == (0, 1)
    client.close()
    strict = TritonClient(server.url, fast.model_copy(update={"shared_memory": "on"}))
    with pytest.raises(ConfigurationError, match="shared_memory"):
        strict.infer(noise(2))
    strict.close()


def test_a_region_that_the_server_cannot_open_is_done_without(
    server: EmbeddedServer, fast: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TritonClient(server.url, fast)
    with client.crops(1) as slot:
        for path in FOLDER.glob(f"{shared.PREFIX}*-crops"):
            path.unlink()  # as if the server had another /dev/shm
        slot.pixels[...] = noise(1)
        answer = client.infer(slot)
    np.testing.assert_array_equal(answer.logits, in_process(fast, noise(1))[0])
    assert client.traffic.by_grpc_body == 1
    client.close()


def test_shared_memory_that_gives_other_answers_is_not_used(
    server: EmbeddedServer, fast: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TritonClient(server.url, fast)
    with client.crops(2) as slot:
        slot.pixels[...] = noise(2)
        monkeypatch.setattr(
            "tasks.infer.slots._CROP_BYTES", 1000
        )  # names other bytes than those that were written
        with client.crops(2) as shifted:
            shifted.pixels[...] = noise(2, seed=5)
            answer = client.infer(shifted)
    np.testing.assert_array_equal(answer.logits, in_process(fast, noise(2, seed=5))[0])
    assert (client.traffic.by_shared_memory, client.traffic.by_grpc_body) == (0, 1)
    client.close()


def test_an_unknown_model_is_a_matter_of_configuration(server: EmbeddedServer, fast: Inference) -> None:
    with pytest.raises(ConfigurationError, match="nonesuch"):
        TritonClient(server.url, fast.model_copy(update={"model_name": "nonesuch"})).infer(noise(1))


def test_no_server_is_a_named_failure(fast: Inference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.infer.client.FIRST_PAUSE_S", 0.01)
    client = TritonClient("127.0.0.1:9", fast.model_copy(update={"retries": 2}))
    with pytest.raises(Failed) as failure:
        client.infer(noise(1))
    assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE
    assert failure.value.detail == "unavailable; 3 tries" and client.traffic.retries == 2
    client.close()


@pytest.mark.parametrize("url", ["", "localhost", "localhost:", "http://localhost:8001", "localhost:port"])
def test_an_address_that_is_none_is_refused(url: str, fast: Inference) -> None:
    with pytest.raises(ConfigurationError, match="host:port"):
        TritonClient(url, fast).infer(noise(1))


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("localhost:8001", True),
        ("grpc://127.0.0.1:1", True),
        ("grpcs://[::1]:1", True),
        ("triton.site:1", False),
    ],
)
def test_only_this_machine_is_asked_to_share_memory(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_an_answer_that_is_no_number_never_becomes_a_score(installed: Inference, tmp_path: Path) -> None:
    repository = fast_repository(tmp_path, logit_divisor=0.0)
    with EmbeddedServer(installed.model_copy(update={"model_repository": repository})) as server:
        client = TritonClient(server.url, installed)
        with pytest.raises(Failed) as failure:
            client.infer(noise(2))
        client.close()
    assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE and "finite" in failure.value.detail


def test_another_model_under_the_same_name_is_noticed(installed: Inference, tmp_path: Path) -> None:
    repository = odd_heatmap_repository(tmp_path)
    with EmbeddedServer(installed.model_copy(update={"model_repository": repository})) as server:
        client = TritonClient(server.url, installed)
        with pytest.raises(ConfigurationError, match="heatmap"):
            client.infer(noise(2))
        client.close()


def test_a_slow_server_and_one_that_is_killed(installed: Inference, tmp_path: Path) -> None:
    """One server for both, because each start costs seconds."""
    settings = installed.model_copy(update={"model_repository": slow_repository(tmp_path, seconds=1.0)})
    with EmbeddedServer(settings) as server:
        hasty = TritonClient(server.url, settings.model_copy(update={"timeout_s": 0.3, "retries": 1}))
        with pytest.raises(Failed) as failure:
            hasty.infer(noise(1))
        assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE
        assert failure.value.detail.startswith("deadline exceeded, no answer within 0.3 s")

        patient = TritonClient(server.url, settings)
        patient.infer(noise(1))  # shared memory is registered, and must be again after the restart
        victim = process_of(server)
        timer = threading.Timer(0.5, victim.kill)
        timer.start()
        assert patient.infer(noise(2)).logits.shape == (2,)
        timer.join()
        assert not victim.is_running() and patient.traffic.retries >= 1
        assert patient.traffic.by_shared_memory == 2
        hasty.close()
        patient.close()


def test_a_thousand_crops_leave_memory_as_it_was(server: EmbeddedServer, fast: Inference) -> None:
    def resident() -> int:
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return sum(int(process.memory_info().rss) for process in processes)

    client = TritonClient(server.url, fast)
    crops = noise(4)
    for _ in range(100):
        client.infer(crops)
    before, names = resident(), set(FOLDER.glob(f"{shared.PREFIX}*"))
    for _ in range(250):
        client.infer(crops)
    assert resident() - before < 16 * 2**20
    assert set(FOLDER.glob(f"{shared.PREFIX}*")) == names
    client.close()


def test_the_model_of_the_product_is_served_as_it_is(installed: Inference) -> None:
    weights = Path("triton_models") / NAME / "1" / "model.onnx"
    if not weights.is_file():
        pytest.skip("no weights in triton_models")
    settings = installed.model_copy(update={"model_repository": Path("triton_models").absolute()})
    crops = noise(3)
    with EmbeddedServer(settings) as server:
        client = TritonClient(server.url, settings)
        answer = client.infer(crops)
        client.close()
    logits, heatmaps = in_process(settings, crops)
    np.testing.assert_allclose(answer.logits, logits, atol=1e-4)
    np.testing.assert_allclose(answer.heatmaps, heatmaps, atol=1e-3)
