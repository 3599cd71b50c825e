"""What a frozen network has to say of an enhanced image.

All guidances share one interface: ``guidance(enhanced, better)`` gives a scalar ≥ 0, where ``better`` is a better-lit
view of the same picture. Their networks are frozen and in eval mode, and get the input that they were trained with;
gradients flow through them to the enhanced image alone.
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
    """Base: a frozen network with its normalisation.

    Args:
        network: any; its parameters are frozen and it is set to eval mode, for good.
        mean, std: of RGB in [0, 1], that it was trained with.
        stride: sides are padded to multiples of this.
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
        """Stay in eval mode."""
        del mode
        return super().train(False)

    def shown(self, image: Tensor) -> Tensor:
        """The image as the network wants it."""
        height, width = image.shape[-2:]
        shown = (image - self.mean) / self.std  # type: ignore[operator]
        return F.pad(shown, (0, -width % self.stride, 0, -height % self.stride))


class FeatureGuidance(Guidance):
    """The enhanced view must look to a backbone as the better-lit one does.

    Each layer's loss is the mean squared difference of its features relative to their mean square in the better-lit
    view, so that no layer counts more by its scale alone.

    Args:
        network: with ``mean``, ``std``, ``stride`` as for all.
        features: from the network and a batch to the maps to compare.
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
            wanted = self._features(self.network, self.shown(better))
        found = self._features(self.network, self.shown(enhanced))
        each = [(a - b).square().mean() / b.square().mean().clamp_min(1e-8) for a, b in zip(found, wanted, strict=True)]
        return torch.stack(each).mean()


def yolo_backbone(network: nn.Module, batch: Tensor, *, last: int = 9) -> list[Tensor]:
    """Features of an Ultralytics model's backbone at strides 4 to 32: what its C2f/C3 stages and SPPF give."""
    found: list[Tensor] = []
    for index, layer in enumerate(network.model):  # type: ignore[arg-type]
        if layer.f != -1 or index > last:
            break
        batch = layer(batch)
        if not isinstance(batch, Tensor):
            raise UserError(f"the judge's layer {index} gives no features; take a YOLO detector's checkpoint")
        if index in {2, 4, 6, last}:
            found.append(batch)
    return found


def encoder_stages(network: nn.Module, batch: Tensor) -> list[Tensor]:
    """Features of an SMP encoder from stride 4 on."""
    stages: list[Tensor] = network(batch)
    return list(stages)[2:]


class SegmentationGuidance(Guidance):
    """A segmentation network must find in the enhanced view what it finds in the better-lit one.

    Args:
        network: gives logits ``(B, C, h, w)``; with ``mean``, ``std``, ``stride`` as for all.
        objective: ``focal``: focal loss against its own answer on the better-lit view where that is confident;
            ``entropy``: its uncertainty about the enhanced view, relative to log C; ``prototypes``: cosine distance of
            the mean logits of each class's pixels between the views.
        confidence: from which probability an answer counts.
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
            wanted = self._logits(better)
            sure, labels = wanted.softmax(dim=1).max(dim=1)
            counted = (sure >= self.confidence).float()
        if self.objective == "focal":
            return focal(logits, labels, weight=counted)
        return self._prototypes(logits, wanted, labels, counted)

    @staticmethod
    def _prototypes(logits: Tensor, wanted: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
        classes = F.one_hot(labels, logits.shape[1]).movedim(-1, 1) * counted[:, None]
        pixels = classes.sum(dim=(0, 2, 3))
        found, prototypes = (
            torch.einsum("bchw,bkhw->kc", each, classes.to(each.dtype)) / pixels.clamp_min(1)[:, None]
            for each in (logits, wanted)
        )
        distance = 1 - F.cosine_similarity(found, prototypes, dim=1)
        return distance[pixels > 0].mean() if (pixels > 0).any() else logits.sum() * 0

    def _logits(self, image: Tensor) -> Tensor:
        found = self.network(self.shown(image))
        found = found["out"] if isinstance(found, dict) else found
        return found if isinstance(found, Tensor) else torch.as_tensor(found[0])


class UpstreamGuidance(Guidance):
    """SGZ's own: an FPN on ResNet-50 whose head is random and untrained, scored against its own best class.

    As upstream (``modeling/fpn.py``) the head starts from a normal distribution of standard deviation 0.01, the input
    is not normalised, and the loss is focal with γ = 2 at a quarter of the resolution. Upstream's network is in train
    mode, and its ResNet starts from ImageNet's weights; pass them in ``state`` to have the same. Frozen and in eval
    mode it is what the paper describes; ``batch_statistics=True`` is upstream's train mode (running statistics stay).

    Args:
        seed: of the head, and of the ResNet without ``state``.
        state: state dict of torchvision's ``resnet50``.
        batch_statistics: normalise by the statistics of the batch.

    Raises:
        UserError: ``state`` is of another network.
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
                raise UserError("the judge's file is no state dict of torchvision's resnet50; name one that is")
            network.resnet.load_state_dict(given, strict=False)
        super().__init__(network)
        if batch_statistics:
            for layer in network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None

    def forward(self, enhanced: Tensor, better: Tensor) -> Tensor:
        del better
        logits = self.network(self.shown(enhanced))
        return focal(logits, logits.argmax(dim=1))


class _Fpn(nn.Module):
    """Feature pyramid of 256 channels with two 3×3 convolutions a level, concatenated at stride 4, 21 classes."""

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
