"""File formats of exported networks: which are read, and the file that a path stands for."""

from __future__ import annotations

from pathlib import Path

from sgz_bench.core.errors import UserError

OPENED = (".onnx", ".xml", ".torchscript", ".tflite", ".engine")
READ = "an .onnx, an OpenVINO folder or .xml, a .torchscript, a .tflite or a TensorRT .engine"

# Ends of names in lower case; the longest match counts.
_OTHERS = {
    ".mlpackage": "a Core ML model",
    ".mlmodel": "a Core ML model",
    ".mlmodelc": "a Core ML model",
    ".aimodel": "a Core AI model",
    ".pb": "a TensorFlow graph",
    "_saved_model": "a TensorFlow SavedModel",
    "_web_model": "a TensorFlow.js model",
    ".h5": "a Keras model",
    ".keras": "a Keras model",
    "_edgetpu.tflite": "an Edge TPU model",
    "_paddle_model": "a PaddlePaddle model",
    ".pdmodel": "a PaddlePaddle model",
    ".pdiparams": "a PaddlePaddle model",
    "_ncnn_model": "an NCNN model",
    ".param": "an NCNN model",
    ".mnn": "an MNN model",
    "_imx_model": "a Sony IMX500 model",
    "_rknn_model": "a Rockchip RKNN model",
    ".rknn": "a Rockchip RKNN model",
    "_executorch_model": "an ExecuTorch model",
    ".pte": "an ExecuTorch model",
    "_axelera_model": "an Axelera model",
    "_deepx_model": "a DEEPX model",
    ".dxnn": "a DEEPX model",
    "_qnn.onnx": "a Qualcomm QNN model",
    "_hailo_model": "a Hailo model",
    ".hef": "a Hailo model",
    "_ascend_model": "a Huawei Ascend model",
    ".om": "a Huawei Ascend model",
    ".weights": "a Darknet weight file",
    ".caffemodel": "a Caffe model",
    ".trt": "a TensorRT engine without Ultralytics' suffix",
}


def exported_file(path: Path) -> Path:
    """Return the file to open for a path: itself, or the one network in an exporter's folder.

    Raises:
        UserError: the path does not exist, its format is not supported, or the folder does not hold one network.
    """
    name = path.name.lower()
    kind = next((_OTHERS[end] for end in sorted(_OTHERS, key=len, reverse=True) if name.endswith(end)), None)
    if not path.exists():
        raise UserError(f"no model at {path}; give an existing file or folder (nothing is downloaded automatically)")
    if kind is not None:
        held = sorted(each.name for each in path.rglob("*.tflite")) if path.is_dir() else []
        fix = f"give one of its .tflite files ({', '.join(held[:3])})" if held else f"export it as {READ}"
        raise UserError(f"{path} is {kind}, which is not supported; {fix}")
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() == ".bin" and path.with_suffix(".xml").is_file():
        return path.with_suffix(".xml")
    return path


def _in_folder(path: Path) -> Path:
    held = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    for suffix in (".xml", ".onnx"):
        networks = [each for each in held if each.suffix.lower() == suffix]
        if len(networks) == 1:
            return networks[0]
        if networks:
            names = ", ".join(each.name for each in networks[:4])
            raise UserError(f"{path} holds {len(networks)} networks ({names}); give the path of one")
    names = ", ".join(each.name for each in held[:4]) or "nothing"
    raise UserError(f"{path} is a folder without an OpenVINO .xml (it holds {names}); give {READ}")
