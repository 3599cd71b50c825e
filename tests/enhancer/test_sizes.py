"""The network's padding where sizes are left open."""

from __future__ import annotations

import torch

from sgz_bench.enhancer import create_enhancer


def test_a_graph_of_open_sizes_can_be_compiled() -> None:
    enhancer = create_enhancer("sgz")
    compiled = torch.compile(enhancer.enhance, dynamic=True, backend="aot_eager")
    with torch.inference_mode():
        for shape in ((1, 3, 61, 83), (1, 3, 70, 99)):
            image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
            assert (compiled(image) - enhancer.enhance(image)).abs().max() < 1e-5
