"""Vector instructions for Numba: sums stay in registers and vectors have 64 bytes, which its own loops cannot ensure.

A vector has 16 values (8 on processors without AVX-512). The network's sums are fused multiply-adds in the order of
their arguments, so that a pixel's bits depend neither on its position in a vector nor on its tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..sgz.curve import STEPS

LANES = 16 if "avx512f" in binding.get_host_cpu_features() and binding.get_host_cpu_features()["avx512f"] else 8
OUTPUTS = 8 if LANES == 16 else 4  # channels summed at once: 2 · 8 of 32 registers, or 2 · 4 of 16

_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)


class _Writer:
    """Writer of LLVM instructions for float32 vectors in arrays; offsets are counted in floats."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> None:
        self.builder = builder
        self.args = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, args, strict=True)
        ]

    def function(self, name: str, n_args: int) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * n_args)
        return cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}f32")

    def at(self, base: Any, index: Any, *offsets: int) -> Any:
        for offset in offsets:
            index = self.builder.add(index, _INDEX(offset))
        return self.builder.gep(base, [index])

    def load(self, pointer: Any) -> Any:
        value = self.builder.load(self.builder.bitcast(pointer, _VECTOR.as_pointer()))
        value.align = 4
        return value

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, _VECTOR.as_pointer())).align = 4

    def splat(self, pointer: Any) -> Any:
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = self.builder.insert_element(undefined, self.builder.load(pointer), ir.IntType(32)(0))
        return self.builder.shuffle_vector(
            first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        )

    def loop(self, carried: Sequence[tuple[Any, Any]], count: Any, body: Callable[[list[Any]], list[Any]]) -> list[Any]:
        """Run ``body`` ``count`` ≥ 1 times on carried values, given as (type, start); return the last values."""
        build = self.builder
        before, block, after = build.block, build.append_basic_block(), build.append_basic_block()
        build.branch(block)
        build.position_at_end(block)
        step = build.phi(_INDEX)
        step.add_incoming(_INDEX(0), before)
        values = []
        for kind, start in carried:
            value = build.phi(kind)
            value.add_incoming(start, before)
            values.append(value)
        following = body(values)
        done = build.add(step, _INDEX(1))
        step.add_incoming(done, block)
        for value, new in zip(values, following, strict=True):
            value.add_incoming(new, block)
        build.cbranch(build.icmp_signed("<", done, count), block, after)
        build.position_at_end(after)
        return following


def _pointwise(outputs: int, vectors: int, *, relu: bool) -> Any:
    """Return ``sums(d, d0, pitch, w, w0, w_pitch, n, bias, b0, out, o0, o_pitch)``, a 1×1 convolution of a few columns.

    ``out[o0 + o·o_pitch + x] = bias[b0 + o] + Σ_k w[w0 + k·w_pitch + o] · d[d0 + k·pitch + x]`` for ``outputs`` o, n k
    and ``vectors · LANES`` x; negative results become 0 if ``relu``.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def sums(typing: Any, d: Any, d0: Any, pitch: Any, w: Any, w0: Any, w_pitch: Any, n: Any, bias: Any, b0: Any,
             out: Any, o0: Any, o_pitch: Any) -> Any:  # fmt: skip
        del typing, d0, pitch, w0, w_pitch, n, b0, o0, o_pitch
        whole = types.int64
        signature = types.void(d, whole, whole, w, whole, whole, whole, bias, whole, out, whole, whole)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            write = _Writer(context, builder, signature, args)
            d, d0, pitch, w, w0, w_pitch, n, bias, b0, out, o0, o_pitch = write.args
            fma, larger = write.function("fma", 3), write.function("maxnum", 2)
            start = [write.splat(write.at(bias, b0, o)) for o in range(outputs) for _ in range(vectors)]

            def step(values: list[Any]) -> list[Any]:
                here, weights, *sums = values
                columns = [write.load(write.at(d, here, j * LANES)) for j in range(vectors)]
                new = []
                for o in range(outputs):
                    weight = write.splat(write.at(w, weights, o))
                    new += [builder.call(fma, [weight, columns[j], sums[o * vectors + j]]) for j in range(vectors)]
                return [builder.add(here, pitch), builder.add(weights, w_pitch), *new]

            totals = write.loop([(_INDEX, d0), (_INDEX, w0), *((_VECTOR, value) for value in start)], n, step)[2:]
            for o in range(outputs):
                for j in range(vectors):
                    value = totals[o * vectors + j]
                    value = builder.call(larger, [value, _ZERO]) if relu else value
                    start_index = builder.add(o0, builder.mul(o_pitch, _INDEX(o)))
                    write.store(value, write.at(out, start_index, j * LANES))
            return context.get_dummy_value()

        return signature, generate

    return sums


pointwise_two = _pointwise(OUTPUTS, 2, relu=True)  # two vectors of columns
pointwise_one = _pointwise(OUTPUTS, 1, relu=True)
pointwise_last = _pointwise(3, 1, relu=False)  # the three factors


@intrinsic  # type: ignore[untyped-decorator]
def depthwise(typing: Any, f: Any, r0: Any, r1: Any, r2: Any, w: Any, w0: Any, out: Any, o0: Any, n: Any) -> Any:
    """Compute a 3×3 convolution of ``n · LANES`` columns of one channel, ``n`` ≥ 1.

    ``out[o0 + x] = w[w0 + 9] + Σ_ij w[w0 + 3i + j] · f[r_i + x + j − 1]``.
    """
    del typing, r0, r1, r2, w0, o0, n
    whole = types.int64
    signature = types.void(f, whole, whole, whole, w, whole, out, whole, whole)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = _Writer(context, builder, signature, args)
        f, r0, r1, r2, w, w0, out, o0, n = write.args
        fma = write.function("fma", 3)
        weights = [write.splat(write.at(w, w0, index)) for index in range(10)]

        def step(values: list[Any]) -> list[Any]:
            (x,) = values
            total = weights[9]
            for i, row in enumerate((r0, r1, r2)):
                for j in range(3):
                    pixels = write.load(write.at(f, builder.add(row, x), j - 1))
                    total = builder.call(fma, [weights[3 * i + j], pixels, total])
            write.store(total, write.at(out, builder.add(o0, x)))
            return [builder.add(x, _INDEX(LANES))]

        write.loop([(_INDEX, _INDEX(0))], n, step)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]
def bend_vectors(
    typing: Any, image: Any, i0: Any, above: Any, a0: Any, below: Any, b0: Any, shares: Any, s0: Any, out: Any, n: Any
) -> Any:
    """Apply the curve to ``n`` ≥ 1 vectors: uint8 ``image`` to uint8 ``out``, both from ``i0`` on.

    The factor is ``shares[0] · above[a0 + x] + shares[1] · below[b0 + x]``. Eight steps of two fused multiply-adds each
    follow, half the operations of PyTorch, then clipping and rounding to even.
    """
    del typing, i0, a0, b0, s0, n
    whole = types.int64
    signature = types.void(image, whole, above, whole, below, whole, shares, whole, out, whole)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = _Writer(context, builder, signature, args)
        image, i0, above, a0, below, b0, shares, s0, out, n = write.args
        larger, smaller, fma = write.function("maxnum", 2), write.function("minnum", 2), write.function("fma", 3)
        levels, wide = (ir.VectorType(ir.IntType(bits), LANES) for bits in (8, 32))
        share = [write.splat(write.at(shares, s0, index)) for index in range(2)]
        white, rounder, one = (ir.Constant(_VECTOR, [value] * LANES) for value in (255.0, 12582912.0, 1.0))

        def step(values: list[Any]) -> list[Any]:
            (x,) = values
            level = builder.load(builder.bitcast(write.at(image, builder.add(i0, x)), levels.as_pointer()))
            level.align = 1
            value = builder.fdiv(builder.sitofp(builder.zext(level, wide), _VECTOR), white)
            sides = [write.load(write.at(side, builder.add(start, x))) for side, start in ((above, a0), (below, b0))]
            factor = builder.fadd(*(builder.fmul(part, side) for part, side in zip(share, sides, strict=True)))
            for _ in range(STEPS):
                slope = builder.call(fma, [value, value, builder.fneg(value)])
                value = builder.call(fma, [factor, slope, value])
            value = builder.call(smaller, [builder.call(larger, [value, _ZERO]), one])
            rounded = builder.fsub(builder.fadd(builder.fmul(value, white), rounder), rounder)
            result = builder.trunc(builder.fptosi(rounded, wide), levels)
            pointer = builder.bitcast(write.at(out, builder.add(i0, x)), levels.as_pointer())
            builder.store(result, pointer).align = 1
            return [builder.add(x, _INDEX(LANES))]

        write.loop([(_INDEX, _INDEX(0))], n, step)
        return context.get_dummy_value()

    return signature, generate
