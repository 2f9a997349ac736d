"""The exported file: the same answers as the network, any batch, small, and silent about who made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch

from tasks.learn import export
from tasks.learn.export import ExportError, export_onnx
from tasks.learn.network import OsteoporosisNet, build_network


@pytest.fixture(scope="module")
def network() -> OsteoporosisNet:
    return build_network(seed=3).eval()


@pytest.fixture(scope="module")
def model(network: OsteoporosisNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_onnx(network, path)
    return path


@pytest.fixture(scope="module")
def crops() -> npt.NDArray[np.int16]:
    return np.random.default_rng(1).normal(60, 120, (5, 224, 224)).astype(np.int16)


def run(model: Path, crops: npt.NDArray[np.int16]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    logit, heatmap = session.run(["logit", "heatmap"], {"hu": crops})
    return np.asarray(logit), np.asarray(heatmap)


def test_file_and_network_agree(network: OsteoporosisNet, model: Path, crops: npt.NDArray[np.int16]) -> None:
    logit, heatmap = run(model, crops)
    with torch.no_grad():
        expected = network(torch.from_numpy(crops))
    np.testing.assert_allclose(logit, expected.logit.numpy(), atol=2e-3)
    np.testing.assert_allclose(heatmap, expected.heatmap.numpy(), atol=2e-2)


def test_a_batch_gives_what_single_crops_give(model: Path, crops: npt.NDArray[np.int16]) -> None:
    together = run(model, crops)
    alone = [run(model, crops[index : index + 1]) for index in (0, 4)]
    for index, (logit, heatmap) in zip((0, 4), alone, strict=True):
        np.testing.assert_allclose(logit[0], together[0][index], atol=1e-4)
        np.testing.assert_allclose(heatmap[0], together[1][index], atol=1e-4)


def test_the_contract_with_the_server(model: Path) -> None:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("hu", "tensor(int16)", ["batch", 224, 224])
    given = {item.name: (item.type, item.shape) for item in session.get_outputs()}
    assert given == {
        "logit": ("tensor(float)", ["batch", 1]),
        "heatmap": ("tensor(float)", ["batch", 7, 7]),
    }


def test_old_enough_for_every_server(model: Path) -> None:
    loaded = onnx.load(model)
    assert loaded.ir_version <= 8
    assert [entry.version for entry in loaded.opset_import] == [18]


def test_small_and_silent_about_the_machine(model: Path) -> None:
    data = model.read_bytes()
    assert len(data) < 16 * 1024 * 1024
    assert b"site-packages" not in data
    assert str(Path.cwd()).encode() not in data


def test_the_hash_is_of_the_file_and_exporting_twice_gives_the_same(
    network: OsteoporosisNet, model: Path, tmp_path: Path
) -> None:
    again = tmp_path / "deeper" / "model.onnx"
    first = export_onnx(network, again)
    assert again.read_bytes() == model.read_bytes()
    assert len(first) == 64
    assert [path.name for path in again.parent.iterdir()] == ["model.onnx"]


def test_a_file_that_disagrees_is_not_written(
    network: OsteoporosisNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PARITY_TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="differ"):
        export_onnx(network, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_too_large_for_the_repository_is_not_written(
    network: OsteoporosisNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_FILE_BYTES", 1_000_000)
    with pytest.raises(ExportError, match="bytes"):
        export_onnx(network, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
