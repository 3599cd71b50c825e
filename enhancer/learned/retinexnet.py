"""RetinexNet: decomposition by one network, relighting by another."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights

WIDTH = 64
STRIDE = 8  # of the relighting network's coarsest layer
REACH = 40  # rows to each side that an output depends on: 10 of the decomposition, fewer than 30 of the relighting

_Conv = partial(nn.Conv2d, padding_mode="replicate")


class DecomNet(nn.Module):
    """Seven convolutions that decompose an image into reflectance and illumination: 207,748 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.net1_conv0 = _Conv(4, WIDTH, 9, padding=4)
        layers = [layer for _ in range(5) for layer in (_Conv(WIDTH, WIDTH, 3, padding=1), nn.ReLU())]
        self.net1_convs = nn.Sequential(*layers)
        self.net1_recon = _Conv(WIDTH, 4, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB ``(B, 3, H, W)`` in [0, 1] to reflectance (three channels) and illumination, ``(B, 4, H, W)``."""
        brightest = image.amax(dim=1, keepdim=True)
        features = self.net1_convs(self.net1_conv0(torch.cat([brightest, image], dim=1)))
        return self.net1_recon(features).sigmoid()  # type: ignore[no-any-return]


class RelightNet(nn.Module):
    """Encoder and decoder of three scales, fused to a new illumination: 347,457 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.net2_conv0_1 = _Conv(4, WIDTH, 3, padding=1)
        self.net2_conv1_1 = _Conv(WIDTH, WIDTH, 3, padding=1, stride=2)
        self.net2_conv1_2 = _Conv(WIDTH, WIDTH, 3, padding=1, stride=2)
        self.net2_conv1_3 = _Conv(WIDTH, WIDTH, 3, padding=1, stride=2)
        self.net2_deconv1_1 = _Conv(2 * WIDTH, WIDTH, 3, padding=1)
        self.net2_deconv1_2 = _Conv(2 * WIDTH, WIDTH, 3, padding=1)
        self.net2_deconv1_3 = _Conv(2 * WIDTH, WIDTH, 3, padding=1)
        self.net2_fusion = nn.Conv2d(3 * WIDTH, WIDTH, 1)
        self.net2_output = _Conv(WIDTH, 1, 3, padding=1)

    def forward(self, layers: Tensor) -> Tensor:
        """Map the output of :class:`DecomNet` to the illumination of a well-lit image, ``(B, 1, H, W)``, unbounded."""
        whole = self.net2_conv0_1(layers)
        half = self.net2_conv1_1(whole).relu()
        quarter = self.net2_conv1_2(half).relu()
        eighth = self.net2_conv1_3(quarter).relu()
        quarter = self.net2_deconv1_1(torch.cat([_enlarge(eighth, 2, quarter), quarter], dim=1)).relu()
        half = self.net2_deconv1_2(torch.cat([_enlarge(quarter, 2, half), half], dim=1)).relu()
        last = self.net2_deconv1_3(torch.cat([_enlarge(half, 2, whole), whole], dim=1)).relu()
        scales = torch.cat([_enlarge(quarter, 4, whole), _enlarge(half, 2, whole), last], dim=1)
        return self.net2_output(self.net2_fusion(scales))  # type: ignore[no-any-return]


def _enlarge(features: Tensor, times: int, like: Tensor) -> Tensor:
    """Repeat every pixel ``times`` × ``times``, and crop to the size of ``like``."""
    height, width = like.shape[-2:]
    return functional.interpolate(features, scale_factor=times, mode="nearest")[..., :height, :width]


class RetinexNet(Enhancer):
    """RetinexNet: the image's reflectance times an illumination brightened by a second network.

    Source: Wei et al., *Deep Retinex Decomposition for Low-Light Enhancement*, BMVC 2018; upstream
    weichen582/RetinexNet (TensorFlow, MIT). Names and shapes are those of the PyTorch port
    aasharma90/RetinexNet_PyTorch, which states no licence. Checked: with its checkpoints, the output is the port's to
    1e-7, on a photograph of 144 × 192 and a crop of 100 × 140. Not checked: the TensorFlow version.

    Deviations: the reflectance is not denoised (the paper uses BM3D; neither version has it). At sizes that are not
    multiples of 4, features of the coarsest scale are repeated 4 × 4 times and cropped; the port stretches the map
    slightly. Borders are padded by repetition, as the port's code requests and PyTorch does since 1.5; its weights date
    from 1.1, which padded with 0.

    Args:
        weights: ``decom``, or a file of the decomposition network, with the names of the PyTorch port.
        relight: ``relight``, or a file of the relighting network.

    Raises:
        UserError: a file is missing or does not fit.
    """

    name: ClassVar[str] = "retinexnet"
    summary: ClassVar[str] = "RetinexNet (Wei et al. 2018): reflectance times a brightened illumination"

    def __init__(self, weights: str = "decom", relight: str = "relight") -> None:
        decom_file, relight_file = (find_weights(self.name, str(each)) for each in (weights, relight))
        super().__init__(weights=str(weights), relight=str(relight))
        self.decom, self.relight = DecomNet(), RelightNet()
        load_weights(self.decom, decom_file)
        load_weights(self.relight, relight_file)

    def _light(self, image: Tensor) -> Tensor:
        layers = self.decom(image)
        return layers[:, :3] * self.relight(layers)  # type: ignore[no-any-return]

    def enhance(self, image: Tensor) -> Tensor:
        return in_bands(self._light, image, REACH, step=STRIDE)
