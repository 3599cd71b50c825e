"""Small night-time worlds with exact ground truth, drawn from a seed.

`render_frame` composes a street, a room or a waterside, and gives the same geometry twice: well lit
(`Frame.bright`, sRGB bytes) and lit by night (`Frame.night`, linear radiance for a sensor model),
with boxes of ExDark's twelve classes and, on streets, a Cityscapes label map.
"""

from .names import CITYSCAPES, CLASSES, LIGHTING
from .render import Frame, render_frame

__all__ = ["CITYSCAPES", "CLASSES", "LIGHTING", "Frame", "render_frame"]
