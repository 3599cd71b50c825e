"""Guidance networks: frozen networks whose loss on an enhanced image trains the enhancer.

All share one interface: ``guidance(enhanced, better)`` returns a scalar ≥ 0, where ``better`` is a better-lit view of
the same picture; both are RGB ``(B, 3, H, W)`` in [0, 1]. Networks are frozen, in eval mode, and receive the
normalisation that they were trained with. Gradients flow through them to the enhanced image alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sgz_bench.core.errors import UserError

from .losses import focal

Kind = Literal["none", "upstream", "segmentation", "features"]
Objective = Literal["focal", "entropy", "prototypes"]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Guidance(nn.Module):
    """Base of all guidances: a frozen network with its normalisation.

    Args:
        network: any network; its parameters are frozen and it stays in eval mode.
        mean, std: normalisation that it was trained with, of RGB in [0, 1].
        stride: images are padded to multiples of this.
    """

    def __init__(
        self, network: nn.Module, mean: Sequence[float] = (0, 0, 0), std: Sequence[float] = (1, 1, 1), stride: int = 32
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.stride = stride

    def train(self, mode: bool = True) -> Guidance:
        """Stay in eval mode, whatever ``mode`` is."""
        del mode
        return super().train(False)

    def _prepare(self, image: Tensor) -> Tensor:
        """Normalise an image and pad it to multiples of the stride."""
        height, width = image.shape[-2:]
        normalized = (image - self.mean) / self.std  # type: ignore[operator]
        return F.pad(normalized, (0, -width % self.stride, 0, -height % self.stride))


class FeatureGuidance(Guidance):
    """Distance between a backbone's features of the enhanced and of the better-lit view.

    The loss of a layer is the mean squared difference of its features, divided by their mean square in the better-lit
    view, so that a layer's weight does not depend on its scale.

    Args:
        network: backbone; for it, ``mean``, ``std`` and ``stride`` see :class:`Guidance`.
        features: function of the network and a batch that returns the feature maps to compare.
    """

    def __init__(
        self,
        network: nn.Module,
        features: Callable[[nn.Module, Tensor], Sequence[Tensor]],
        mean: Sequence[float] = (0, 0, 0),
        std: Sequence[float] = (1, 1, 1),
        stride: int = 32,
    ) -> None:
        super().__init__(network, mean, std, stride)
        self._features = features

    def forward(self, enhanced: Tensor, better: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self._features(self.network, self._prepare(better))
        features = self._features(self.network, self._prepare(enhanced))
        distances = [
            (feature - target).square().mean() / target.square().mean().clamp_min(1e-8)
            for feature, target in zip(features, targets, strict=True)
        ]
        return torch.stack(distances).mean()


def yolo_backbone(network: nn.Module, batch: Tensor, *, last: int = 9) -> list[Tensor]:
    """Return features of an Ultralytics model's backbone at strides 4 to 32: outputs of its C2f/C3 stages and its SPPF.

    Raises:
        UserError: a layer returns no feature map.
    """
    features: list[Tensor] = []
    for index, layer in enumerate(network.model):  # type: ignore[arg-type]
        if layer.f != -1 or index > last:
            break
        batch = layer(batch)
        if not isinstance(batch, Tensor):
            raise UserError(
                f"layer {index} of the guidance network returns no features; use the checkpoint of a YOLO detector"
            )
        if index in {2, 4, 6, last}:
            features.append(batch)
    return features


def encoder_stages(network: nn.Module, batch: Tensor) -> list[Tensor]:
    """Return features of an SMP encoder from stride 4 on."""
    stages: list[Tensor] = network(batch)
    return list(stages)[2:]


class SegmentationGuidance(Guidance):
    """Agreement between a segmentation network's predictions on the enhanced and on the better-lit view.

    Args:
        network: returns logits ``(B, C, h, w)``; for it, ``mean``, ``std`` and ``stride`` see :class:`Guidance`.
        objective: ``focal``: focal loss against confident predictions on the better-lit view; ``entropy``: mean entropy
            of the predictions on the enhanced view, divided by log C; ``prototypes``: cosine distance between the
            views' mean logits over each class's pixels.
        confidence: smallest probability of a prediction that counts.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective = "focal",
        confidence: float = 0.7,
        mean: Sequence[float] = IMAGENET[0],
        std: Sequence[float] = IMAGENET[1],
        stride: int = 32,
    ) -> None:
        super().__init__(network, mean, std, stride)
        self.objective, self.confidence = objective, confidence

    def forward(self, enhanced: Tensor, better: Tensor) -> Tensor:
        logits = self._logits(enhanced)
        if self.objective == "entropy":
            log_p = F.log_softmax(logits, dim=1)
            return -(log_p.exp() * log_p).sum(dim=1).mean() / math.log(logits.shape[1])
        with torch.no_grad():
            targets = self._logits(better)
            probability, labels = targets.softmax(dim=1).max(dim=1)
            confident = (probability >= self.confidence).float()
        if self.objective == "focal":
            return focal(logits, labels, weight=confident)
        return self._prototypes(logits, targets, labels, confident)

    @staticmethod
    def _prototypes(logits: Tensor, targets: Tensor, labels: Tensor, confident: Tensor) -> Tensor:
        """Return the mean cosine distance of class prototypes, over the classes with confident pixels."""
        classes = F.one_hot(labels, logits.shape[1]).movedim(-1, 1) * confident[:, None]
        pixels = classes.sum(dim=(0, 2, 3))
        means, target_means = (
            torch.einsum("bchw,bkhw->kc", each, classes.to(each.dtype)) / pixels.clamp_min(1)[:, None]
            for each in (logits, targets)
        )
        distance = 1 - F.cosine_similarity(means, target_means, dim=1)
        return distance[pixels > 0].mean() if (pixels > 0).any() else logits.sum() * 0

    def _logits(self, image: Tensor) -> Tensor:
        output = self.network(self._prepare(image))
        output = output["out"] if isinstance(output, dict) else output
        return output if isinstance(output, Tensor) else torch.as_tensor(output[0])


class UpstreamGuidance(Guidance):
    """SGZ's guidance: an FPN on ResNet-50 with a random, untrained head, scored against its own most probable class.

    As upstream (``modeling/fpn.py``), the head is drawn from a normal distribution of standard deviation 0.01, the
    input is not normalised, and the loss is focal with γ = 2 at a quarter of the resolution. The paper describes a
    frozen network in eval mode, the default here. Upstream's code runs it in train mode, with ImageNet weights in its
    ResNet; ``batch_statistics=True`` (running statistics stay unchanged) and ``state`` reproduce that.

    Args:
        seed: of the head, and of the ResNet if ``state`` is None.
        state: state dict of torchvision's ``resnet50``.
        batch_statistics: normalise by the statistics of the batch.

    Raises:
        UserError: ``state`` belongs to another network.
    """

    def __init__(
        self, seed: int = 0, state: dict[str, Tensor] | None = None, *, batch_statistics: bool = False
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _Fpn()
        if state is not None:
            own = network.resnet.state_dict()
            given = {name: tensor for name, tensor in state.items() if name in own and tensor.shape == own[name].shape}
            needed = {name for name in own if not name.startswith("fc.") and not name.endswith("num_batches_tracked")}
            if not needed <= given.keys():
                raise UserError(
                    "the file of guidance.model is not a state dict of torchvision's resnet50; give one that is"
                )
            network.resnet.load_state_dict(given, strict=False)
        super().__init__(network)
        if batch_statistics:
            for layer in network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None

    def forward(self, enhanced: Tensor, better: Tensor) -> Tensor:
        del better
        logits = self.network(self._prepare(enhanced))
        return focal(logits, logits.argmax(dim=1))


class _Fpn(nn.Module):
    """Feature pyramid of 256 channels with two 3×3 convolutions per level, concatenated at stride 4; 21 classes."""

    def __init__(self, classes: int = 21) -> None:
        super().__init__()
        from torchvision.models import resnet50

        self.resnet = resnet50(weights=None)
        self.lateral = nn.ModuleList(nn.Conv2d(channels, 256, 1) for channels in (256, 512, 1024, 2048))
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(256, 128, 3, padding=1)) for _ in range(4)
        )
        self.classify = nn.Conv2d(4 * 128, classes, 3, padding=1)
        for layer in (*self.lateral.children(), *self.smooth.modules(), self.classify):
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        net = self.resnet
        x = net.maxpool(net.relu(net.bn1(net.conv1(image))))
        stages = []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            stages.append(x)
        levels: list[Tensor] = []
        for lateral, features in zip(reversed(self.lateral), reversed(stages), strict=True):
            level = lateral(features)
            if levels:
                level = level + F.interpolate(levels[-1], size=level.shape[-2:], mode="bilinear")
            levels.append(level)
        smoothed = [smooth(level) for smooth, level in zip(reversed(self.smooth), levels, strict=True)]
        size = smoothed[-1].shape[-2:]
        maps = [F.interpolate(level, size=size, mode="bilinear") for level in smoothed[:-1]] + smoothed[-1:]
        return self.classify(torch.cat(maps, dim=1))  # type: ignore[no-any-return]
