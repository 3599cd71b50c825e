"""Exports of Ultralytics models: each form gives the same boxes, thresholds inside are told, the rest is refused.

The networks are tiny: their answer is a constant, in the forms in which detectors are exported.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.models import create_detector
from sgz_bench.tasks.sessions.metadata import named_classes, ordered_names

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, TensorProto = onnx.helper, onnx.TensorProto

SIDE = 64
CELLS = 84  # of 64×64 pixels at strides 8, 16 and 32
BOX, SCORE, CLASS = (24.0, 20.0, 40.0, 28.0), 0.75, 1
META = {"names": "{0: 'cat', 1: 'dog'}", "stride": "32", "task": "detect"}
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def anchors(rows: int = CELLS) -> NDArray[np.float32]:
    """Return ``(1, rows, 4 + 2)``: one dog at ``BOX``, other boxes all over the input with scores of 0."""
    answer = np.zeros((1, rows, 6), dtype=np.float32)
    answer[0, :, :2] = np.linspace(2, SIDE - 2, rows)[:, None]
    answer[0, :, 2:4] = 4
    answer[0, 7] = [32, 24, 16, 8, 0.1, SCORE]
    return answer


def final(rows: int = 300) -> NDArray[np.float32]:
    """Return ``(1, rows, 6)``: corners, score and class of the dog, and rows of zeros."""
    answer = np.zeros((1, rows, 6), dtype=np.float32)
    answer[0, 0] = [*BOX, SCORE, CLASS]
    return answer


def save(
    path: Path,
    *answers: NDArray[Any],
    shape: Sequence[int | str] = (1, 3, SIDE, SIDE),
    dtype: str = "float32",
    meta: Mapping[str, str] = META,
    nms: tuple[float, float] | None = None,
) -> Path:
    """Write a network that takes an image of ``shape`` and gives ``answers``; ``nms`` adds its threshold and IoU."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants = {"zero": np.float32(0).reshape(())}
    outputs = []
    for index, answer in enumerate(answers):
        kind = helper.np_dtype_to_tensor_dtype(answer.dtype)
        constants[f"answer{index}"] = answer
        nodes += [
            helper.make_node("Cast", ["nothing"], [f"nothing{index}"], to=kind),
            helper.make_node("Add", [f"answer{index}", f"nothing{index}"], [f"output{index}"]),
        ]
        outputs.append(helper.make_tensor_value_info(f"output{index}", kind, list(answer.shape)))
    if nms is not None:
        constants |= {
            "boxes": np.zeros((1, 2, 4), dtype=np.float32),
            "scores": np.ones((1, 1, 2), dtype=np.float32),
            "most": np.array([100_000_000]),
            "conf": np.float32(nms[0]).reshape(()),
            "iou": np.array([nms[1]], dtype=np.float32),
        }
        nodes += [
            helper.make_node("Greater", ["scores", "conf"], ["kept"]),
            helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou"], ["chosen"]),
        ]
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("images", TYPES[dtype], list(shape))],
        outputs,
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, dict(meta))
    onnx.save(model, str(path))
    return path


def look(spec: str, images: int = 1) -> list[tuple[list[float], float, int]]:
    """Return the best box, its score and its class for each of some pictures of the input's size."""
    pictures = [np.full((SIDE, SIDE, 3), 50 * index, dtype=np.uint8) for index in range(images)]
    answers = create_detector(spec).predict(pictures)
    return [(each.boxes[0].tolist(), float(each.scores[0]), int(each.class_ids[0])) for each in answers]


def test_every_form_of_answer_gives_the_same_box(tmp_path: Path) -> None:
    rows, yolov5 = anchors(), anchors()
    yolov5 = np.concatenate([yolov5[..., :4], yolov5[..., 4:].max(axis=2, keepdims=True), yolov5[..., 4:]], axis=2)
    yolov5[0, 7, 4:] = [0.9, 0.1, SCORE / 0.9]
    corners = np.array([[[0, *BOX, CLASS, SCORE]]], dtype=np.float32)[0]
    fractions = rows * np.array([1 / SIDE] * 4 + [1, 1], dtype=np.float32)
    features = np.zeros((1, 3, 8, 8, 7), dtype=np.float32)
    forms: dict[str, tuple[NDArray[Any], ...]] = {
        "YOLOv8": (rows.transpose(0, 2, 1).copy(),),
        "anchors first": (rows,),
        "fractions": (fractions.transpose(0, 2, 1).copy(),),
        "YOLOv5": (yolov5,),
        "YOLOv5 with its feature maps": (yolov5, features),
        "YOLO26": (final(),),
        "YOLOv7 end to end": (corners,),
        "half precision": (rows.transpose(0, 2, 1).astype(np.float16),),
    }
    for name, answers in forms.items():
        path = save(tmp_path / "net.onnx", *answers)
        ((box, score, index),) = look(f"ultralytics:{path}")
        assert box == pytest.approx(BOX, abs=0.02), name
        assert (score, index) == (pytest.approx(SCORE, abs=1e-3), CLASS), name


@pytest.mark.parametrize("columns", ["final", "classes", "two classes"])
def test_rtdetr_boxes_are_fractions_of_the_image_without_padding(tmp_path: Path, columns: str) -> None:
    answer = np.zeros((1, 300, 6), dtype=np.float32)
    answer[0, :, :4] = [0.1, 0.5, 0.3, 0.2]
    answer[0, 0] = [0.5, 0.375, 0.25, 0.125, *((SCORE, CLASS) if columns == "final" else (0.1, SCORE))]
    about = {"description": "Ultralytics rtdetr-l model", "head": "RTDETRDecoder"}
    meta = META | (about if columns != "classes" else {})
    path = save(tmp_path / "net.onnx", answer, meta=meta)
    if columns == "classes":  # before Ultralytics chose the class inside
        answer = np.pad(answer, ((0, 0), (0, 0), (0, 1)))
        path = save(tmp_path / "net.onnx", answer, meta=meta | {"names": "['cat', 'dog', 'eel']"})
    found = create_detector(f"ultralytics:{path}").predict([np.zeros((100, 200, 3), dtype=np.uint8)])[0]
    assert found.boxes[0].tolist() == pytest.approx([75, 31.25, 125, 43.75], abs=1e-4)
    assert (found.scores[0], found.class_ids[0]) == (SCORE, CLASS)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 3, SIDE, SIDE), "float16"), ((1, SIDE, SIDE, 3), "float32"), ((1, SIDE, SIDE, 3), "uint8")],
)
def test_inputs_of_other_types_and_layouts_are_filled(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    path = save(tmp_path / "net.onnx", final(), shape=shape, dtype=dtype)
    assert look(f"ultralytics:{path}") == [(list(BOX), SCORE, CLASS)]


def test_a_fixed_batch_is_filled_with_copies(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", np.repeat(final(), 4, axis=0), shape=(4, 3, SIDE, SIDE))
    detector = create_detector(f"ultralytics:{path}")
    assert detector.batch == detector.settings["batch"] == 4
    assert look(f"ultralytics:{path}", images=6) == [(list(BOX), SCORE, CLASS)] * 6
    with pytest.raises(UserError, match="takes 4 images at a time"):
        create_detector(f"ultralytics:{path}(batch=2)")


def test_an_input_that_is_no_square_is_letterboxed(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", final(), shape=(1, 3, 32, SIDE))
    detector = create_detector(f"ultralytics:{path}")
    assert detector.settings["imgsz"] == f"32x{SIDE}"
    found = detector.predict([np.zeros((SIDE, SIDE, 3), dtype=np.uint8)])[0]
    assert found.boxes[0].tolist() == [16, 40, 48, 56]  # scaled by a half, and 16 columns of padding at each side


@pytest.mark.parametrize(
    "names", ["['cat', 'dog']", "{'0': 'cat', '1': 'dog'}", '{"0": "cat", "1": "dog"}', "{1.0: 'dog', 0.0: 'cat'}"]
)
def test_class_names_are_read_in_every_notation(tmp_path: Path, names: str) -> None:
    path = save(tmp_path / "net.onnx", final(), meta={"names": names})
    assert create_detector(f"ultralytics:{path}").class_names == ("cat", "dog")


def test_class_names_may_be_given(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", final(), meta={})
    with pytest.raises(UserError, match=r"has no class names; give names=coco, names=FILE or names=A\|B"):
        create_detector(f"ultralytics:{path}")
    detector = create_detector(f"ultralytics:{path}(names=cat|dog)")
    assert detector.class_names == ("cat", "dog")
    assert detector.settings["names"] == "cat|dog"
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}")
    for file in ("names.txt", "data.yaml"):
        assert create_detector(f"ultralytics:{path}(names={tmp_path / file})").class_names == ("cat", "dog")
    with pytest.raises(UserError, match="outputs class 1, but has 1 class names"):
        create_detector(f"ultralytics:{path}(names={_write(tmp_path / 'one.txt', 'cat')})").predict(
            [np.zeros((SIDE, SIDE, 3), dtype=np.uint8)]
        )


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_names_that_are_no_list_by_id_are_refused() -> None:
    assert named_classes("coco")[0][0] == "person"
    with pytest.raises(UserError, match="ids 1, 2; ids are 0 to"):
        ordered_names({1: "cat", 2: "dog"}, "x")
    with pytest.raises(UserError, match=r"no class names at nowhere\.txt"):
        named_classes("nowhere.txt")


def test_thresholds_inside_a_file_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", final(100), nms=(0.25, 0.6))
    detector = create_detector(f"ultralytics:{path}")
    assert {key: detector.settings[key] for key in ("conf", "nms_iou", "max_det")} == {
        "conf": 0.25, "nms_iou": 0.6, "max_det": 100,
    }  # fmt: skip
    assert detector.notes == (
        "NMS is inside the file, with conf=0.25 and nms_iou=0.6; AP needs conf=0.001: export it without nms, or with "
        "conf=0.001",
    )
    assert create_detector(f"ultralytics:{path}(conf=0.4)").settings["conf"] == 0.4
    for asked, message in {
        "conf=0.001": "drops scores below 0.25; leave conf=0.001 out",
        "nms_iou=0.7": "does NMS itself with IoU 0.6",
        "max_det=300": "outputs 100 boxes; leave max_det=300 out",
        "multi_label=true": "leave multi_label out",
    }.items():
        with pytest.raises(UserError, match=message):
            create_detector(f"ultralytics:{path}({asked})")


def test_thresholds_inside_are_in_the_settings_of_other_families_too(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n", encoding="utf-8")
    path = save(tmp_path / "net.onnx", final(), meta={}, nms=(0.25, 0.6))
    for spec in (f"onnx:{path}(names={names})", f"onnx:{path}(names={names},conf=0.001)"):
        detector = create_detector(spec)
        assert (detector.settings["conf"], detector.settings["nms_iou"]) == (0.25, 0.6)
        assert "NMS inside the file with score threshold 0.25 and IoU 0.6" in detector.notes[0]
    assert create_detector(f"onnx:{path}(names={names},conf=0.4)").settings["conf"] == 0.4


def test_metadata_tell_what_the_graph_does_not(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", final(), meta=META | {"args": "{'nms': True, 'conf': 0.1}"})
    assert create_detector(f"ultralytics:{path}").settings["conf"] == 0.1
    path = save(tmp_path / "net.onnx", final(), meta=META | {"args": "{'nms': True}"})
    assert "its exporter's default; the file does not tell" in create_detector(f"ultralytics:{path}").notes[0]


MASKS = np.zeros((1, 32, 16, 16), dtype=np.float32)


@pytest.mark.parametrize(
    ("answers", "meta", "message"),
    [
        ([final()], META | {"task": "pose"}, "is a pose model; use a detection model"),
        ([np.zeros((1, 4 + 2 + 32, CELLS), dtype=np.float32), MASKS], {"names": "['a', 'b']"}, "is a segment model"),
        ([np.zeros((1, 5 + 2, CELLS), dtype=np.float32)], {"names": "['a', 'b']"}, "as an oriented-box model does"),
        ([np.zeros((1, 1000), dtype=np.float32)], {"names": "['a', 'b']"}, r"it outputs \(1, 1000\)"),
        (
            [np.zeros((1, 56, CELLS), dtype=np.float32)],
            {"names": "['a']"},
            "is not an Ultralytics detector of 1 classes",
        ),
        ([final().astype(np.int64)], META, "outputs int64, which holds no scores"),
        ([final() * np.float32(np.nan)], META, "outputs NaN or infinity for a grey image"),
        ([anchors().transpose(0, 2, 1) * 9], META, r"outputs scores from 0 to 6.75, outside 0 to 1"),
        ([anchors(), anchors()], META, "has several heads"),
        ([np.zeros((1, 3, 8, 8, 7), dtype=np.float32)], META, "it outputs feature maps"),
        ([np.zeros((1, CELLS, 7), dtype=np.float32)], META, "boxes that are not decoded; give yolox:net.onnx"),
        ([anchors().transpose(0, 2, 1)], {}, "it seems to have 2 classes: give names=coco"),
    ],
)
def test_what_cannot_be_interpreted_is_refused_when_it_is_opened(
    tmp_path: Path, answers: list[NDArray[Any]], meta: dict[str, str], message: str
) -> None:
    path = save(tmp_path / "net.onnx", *answers, meta=meta)
    with pytest.raises(UserError, match=message):
        create_detector(f"ultralytics:{path}")


def test_weights_in_a_second_file_belong_to_the_fingerprint(tmp_path: Path) -> None:
    model = onnx.load(str(save(tmp_path / "net.onnx", final())))
    path = tmp_path / "two.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="two.weights", size_threshold=0)
    one = create_detector(f"ultralytics:{path}").fingerprint
    data = bytearray((tmp_path / "two.weights").read_bytes())
    data[-1] ^= 1
    (tmp_path / "two.weights").write_bytes(data)
    assert create_detector(f"ultralytics:{path}").fingerprint != one
    (tmp_path / "two.weights").unlink()
    with pytest.raises(UserError, match=r"has its weights in two\.weights, which is not beside it"):
        create_detector(f"ultralytics:{path}")


def test_files_that_onnxruntime_cannot_run_say_why(tmp_path: Path) -> None:
    model = onnx.load(str(save(tmp_path / "net.onnx", final())))
    model.ir_version = 99
    onnx.save(model, str(tmp_path / "new.onnx"))
    with pytest.raises(UserError, match="is in ONNX IR version 99, which is too new for this onnxruntime"):
        create_detector(f"ultralytics:{tmp_path}/new.onnx")
    path = save(tmp_path / "grey.onnx", final(), shape=(1, 1, SIDE, SIDE))
    with pytest.raises(UserError, match="only networks of 3 channels"):
        create_detector(f"ultralytics:{path}")


def test_an_openvino_folder_is_read_with_the_metadata_beside_it(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    folder = tmp_path / "net_openvino_model"
    folder.mkdir()
    model = openvino.Core().read_model(str(save(tmp_path / "net.onnx", final(), nms=(0.25, 0.7))))
    openvino.save_model(model, str(folder / "net.xml"))
    (folder / "metadata.yaml").write_text("names: {0: cat, 1: dog}\nstride: 32\ntask: detect\nargs: {nms: true}\n")
    detector = create_detector(f"ultralytics:{folder}/")
    assert detector.class_names == ("cat", "dog")
    assert (detector.settings["engine"], detector.packages) == ("openvino", ("openvino",))
    assert (
        look(f"{folder}/")
        == look(f"ultralytics:{folder}")
        == look(f"ultralytics:{folder}/net.xml")
        == [(list(BOX), SCORE, CLASS)]
    )
    with pytest.raises(UserError, match="runs in one engine"):
        create_detector(f"ultralytics:{folder}(engine=onnxruntime)")
    (folder / "net.bin").unlink()
    with pytest.raises(UserError, match=r"has its weights in net\.bin, which is not beside it"):
        create_detector(f"ultralytics:{folder}")


class _Constant(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = torch.nn.Parameter(torch.from_numpy(final()))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.answer + 0 * image.mean()


class _Reader(_Constant):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.answer + torch.from_file("secret", False, 4).sum() + image.sum()


def _script(module: torch.nn.Module, path: Path) -> Path:
    meta = {"names": ["cat", "dog"], "imgsz": [SIDE, SIDE], "task": "detect", "batch": 1, "stride": 32}
    script: Any = torch.jit.script(module)
    script.save(str(path), _extra_files={"config.txt": json.dumps(meta)})
    return path


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torchscript_is_read_under_either_suffix(tmp_path: Path) -> None:
    for name in ("net.torchscript", "net.torchscript.pt"):
        assert look(f"ultralytics:{_script(_Constant(), tmp_path / name)}") == [(list(BOX), SCORE, CLASS)]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torchscript_that_reads_files_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"calls torch\.from_file, which a detector does not need"):
        create_detector(f"ultralytics:{_script(_Reader(), tmp_path / 'net.torchscript')}")


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("torch . save(image, 'owned')", "calls torch . save"),
        ("t = torch\n    t.save(image, 'owned')", "calls save"),
        ("getattr(torch, 'sa' 've')(image, 'owned')", "calls getattr"),
        ('getattr(torch, "save")(image, "owned")', r"calls torch\.save"),
        ("a = '\"'\n    torch.save(image, 'owned')\n    b = '\"'", r"calls torch\.save"),
        ('a = """\'"""\n    torch.save(image, \'owned\')\n    b = """\'"""', "calls"),
        ("o = ops\n    o.image.write_file('owned', image)", "calls ops"),
        ("ops . image . write_file('owned', image)", "calls ops . image . write_file"),
    ],
)
@pytest.mark.parametrize("folder", ["code", "CODE"])  # PyTorch ignores case
def test_torchscript_cannot_hide_what_it_calls(tmp_path: Path, code: str, message: str, folder: str) -> None:
    path = tmp_path / "net.torchscript"
    with (
        zipfile.ZipFile(_script(_Constant(), tmp_path / "plain.torchscript")) as plain,
        zipfile.ZipFile(path, "w") as to,
    ):
        for name in plain.namelist():
            content = plain.read(name)
            if name.endswith(".py"):
                content = content.replace(b"    return ", f"    {code}\n    return ".encode())
                assert code.encode() in content
            to.writestr(name.replace("/code/", f"/{folder}/"), content)
    with pytest.raises(UserError, match=message):
        create_detector(f"ultralytics:{path}")


def test_numbers_in_settings_stay_as_written(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", anchors().transpose(0, 2, 1).copy())
    settings = create_detector(f"ultralytics:{path}(conf=0,nms_iou=1)").settings  # part of the results' keys
    assert json.dumps([settings["conf"], settings["nms_iou"]]) == "[0, 1]"


def _tflite(path: Path, answer: NDArray[np.float32], *, quantised: bool) -> Path:
    """Write a TensorFlow Lite file of one reshape of a constant, with Ultralytics' metadata appended."""
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model, graph, code, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT(), schema.OperatorT()
    kind = schema.TensorType.INT8 if quantised else schema.TensorType.FLOAT32
    data = np.clip(np.rint(answer * 128), -128, 127).astype(np.int8) if quantised else answer

    def tensor(name: str, shape: Sequence[int], buffer: int, kind: int, scale: float, zero: int) -> Any:
        each = schema.TensorT()
        each.name, each.shape, each.buffer, each.type = name, list(shape), buffer, kind
        if quantised and kind == schema.TensorType.INT8:
            each.quantization = schema.QuantizationParametersT()
            each.quantization.scale, each.quantization.zeroPoint = [scale], [zero]
        return each

    graph.tensors = [
        tensor("images", (1, SIDE, SIDE, 3), 0, kind, 1 / 255, -128),
        tensor("answer", answer.shape, 1, kind, 1 / 128, 0),
        tensor("shape", (3,), 2, schema.TensorType.INT32, 0, 0),
        tensor("output", answer.shape, 0, kind, 1 / 128, 0),
    ]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [1, 2], [3]
    graph.inputs, graph.outputs, graph.operators = [0], [3], [operator]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT() for _ in range(3)]
    for buffer, content in zip(model.buffers[1:], (data, np.array(answer.shape, dtype=np.int32)), strict=True):
        buffer.data = np.frombuffer(content.tobytes(), dtype=np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metadata.json", json.dumps({"names": {"0": "cat", "1": "dog"}, "task": "detect"}))
    return path


@pytest.mark.parametrize("quantised", [False, True])
def test_tflite_boxes_are_fractions_and_quantised_values_are_scaled(tmp_path: Path, quantised: bool) -> None:
    answer = (anchors() * np.array([1 / SIDE] * 4 + [1, 1], dtype=np.float32)).transpose(0, 2, 1).copy()
    path = _tflite(tmp_path / "net.tflite", answer, quantised=quantised)
    assert create_detector(f"ultralytics:{path}").packages == ("ai-edge-litert",)
    assert look(f"ultralytics:{path}") == [(pytest.approx(BOX, abs=0.01), pytest.approx(SCORE), CLASS)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.mlpackage", "is a Core ML model, which is not supported"),
        ("net_saved_model", r"give one of its .tflite files \(net_float32\.tflite\)"),
        ("net_ncnn_model", "is an NCNN model"),
        ("net_edgetpu.tflite", "is an Edge TPU model"),
        ("net.rknn", "is a Rockchip RKNN model"),
        ("folder", "is a folder without an OpenVINO .xml"),
        ("net.engine", "needs an NVIDIA GPU"),
        ("net.tflite", "is not a readable TensorFlow Lite model"),
        ("net.torchscript", "is not a readable TorchScript file"),
        ("net.zzz", "is no exported network"),
        ("missing.xml", "no model at"),
    ],
)
def test_other_formats_are_refused_with_what_is_read(tmp_path: Path, name: str, message: str) -> None:
    path = tmp_path / name
    if name == "net.tflite":
        pytest.importorskip("ai_edge_litert")
    if path.suffix in {"", ".mlpackage"}:
        path.mkdir()
    elif "missing" not in name:
        path.write_bytes(b"junk" * 99)
    if name == "net_saved_model":
        (path / "net_float32.tflite").touch()
    with pytest.raises(UserError, match=message):
        create_detector(f"ultralytics:{path}")


def test_a_checkpoint_that_is_none_says_what_it_is(tmp_path: Path) -> None:
    torch.save({"model": torch.nn.Linear(2, 2).state_dict()}, tmp_path / "state.pt")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "page.pt").write_text("<!DOCTYPE html>")
    (tmp_path / "pointer.pt").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "other.pt").write_bytes(b"RIFF")
    with zipfile.ZipFile(tmp_path / "yolov5s.pt", "w") as archive:
        archive.writestr("best/data.pkl", b"\x80\x02cmodels.yolo\nModel\n.")
        archive.writestr("best/version", b"3")
    with zipfile.ZipFile(tmp_path / "newer.pt", "w") as archive:
        archive.writestr("best/data.pkl", b"\x80\x02cultralytics.nn.modules.block\nC99\n.")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:500])
    for name, message in {
        "state": "holds weights without a network",
        "empty": "is empty",
        "page": "is a web page",
        "pointer": "is a pointer of Git LFS",
        "other": "is not a PyTorch file",
        "yolov5s": r"was saved by the code of YOLOv5, YOLOv7 or a relative \(models\.yolo\.Model\)",
        "newer": r"needs ultralytics\.nn\.modules\.block\.C99",
        "cut": "is damaged or cut off",
    }.items():
        with pytest.raises(UserError, match=rf"{name}\.pt {message}"):
            create_detector(str(tmp_path / f"{name}.pt"))


@pytest.mark.assets
def test_a_checkpoint_may_have_any_file_name(assets: Path, tmp_path: Path) -> None:
    link = tmp_path / "yolov5n it's [1].pt"  # Ultralytics would look for this name on the network
    link.symlink_to(assets / "weights" / "yolov8n-coco-int8deq.pt")
    assert create_detector(str(link)).class_names[0] == "person"
