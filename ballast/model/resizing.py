"""Pillow's bilinear resizing inside a Keras model, bit for bit, for images of any size.

Pillow resizes 8-bit images in fixed point, first along the rows and then along the columns. Its
weights form a triangle, which widens with the reduction, and are rounded to 22 bits; each of the
two results is rounded to 8 bits (Pillow's src/libImaging/Resample.c). Here the same weights are
computed in integers, and matrix products have sums below 2**24, which are exact in float32, so no
processor can differ.
"""

from ballast.keras_setup import keras

PRECISION = 22  # bits of Pillow's weights
HALF = PRECISION // 2  # bits in each half; sums with all 22 bits would exceed 2**24
# Bits per step of the long division, 23 in total. Remainders are below 2**26, so int32 suffices.
STEPS = (5, 5, 5, 4, 4)


def resize(images: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Resize like Image.resize((size, size), Image.Resampling.BILINEAR).

    Only Keras's own operations are used, so that models with it load in safe mode.

    Args:
        images: RGB of shape (n, height, width, 3), of any dtype, whole numbers from 0 to 255. If a
            side is longer than 64 times `size`, single pixels may differ by 1. If `height` is more
            than 100 times `width`, pixels may differ by 2: Pillow then begins with the columns,
            since resized rows could need much memory, and a model cannot choose.
        size: side of the results in pixels.

    Returns:
        float32 of shape (n, size, size, 3), whole numbers from 0 to 255.
    """
    ops = keras.ops
    columns, rows = ops.ones_like(images[0, 0, :, 0]), ops.ones_like(images[0, :, 0, 0])
    x = ops.cast(images, "float32")
    x = _weighted(x, ops.cast(columns, "int32"), size, "sw,nhwc->nhsc")
    return _weighted(x, ops.cast(rows, "int32"), size, "th,nhsc->ntsc")


def _weighted(
    x: keras.KerasTensor, ones: keras.KerasTensor, size: int, product: str
) -> keras.KerasTensor:
    ops = keras.ops
    weights = _weights(ones, size)
    high = ops.floor_divide(weights + 2 ** (HALF - 1), 2**HALF)
    low = weights - high * 2**HALF
    sums, parts = (ops.einsum(product, ops.cast(part, "float32"), x) for part in (high, low))
    # Adding one half before floor rounds to the nearest.
    whole = sums + 2.0 ** (HALF - 1) + ops.floor(parts * 2.0**-HALF)
    return ops.floor(whole * 2.0**-HALF)


def _weights(ones: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Weights of the source pixels in each result: int32 of shape (size, length); 2**22 means 1.

    Args:
        ones: int32 of shape (length,), since the length is unknown when the model is built.
        size: number of resulting pixels.
    """
    ops = keras.ops
    length = ops.sum(ones)
    odd = 2 * ops.cumsum(ones) - 1  # centres, in half pixels
    # Also by cumsum, since tf2onnx loses a constant here.
    lengths = ops.broadcast_to(length, (size, 1))
    centres = 2 * ops.cumsum(lengths, axis=0) - lengths
    distances = ops.absolute(size * ops.expand_dims(odd, 0) - centres)
    shares = ops.maximum(2 * ops.maximum(length, size) - distances, 0)
    total = ops.sum(shares, axis=1, keepdims=True)
    # Divide the shares by the total to 23 bits, then round to 22.
    quotient, remainder = ops.zeros_like(shares), shares
    for bits in STEPS:
        remainder = remainder * 2**bits
        digit = ops.floor_divide(remainder, total)
        remainder = remainder - digit * total
        quotient = quotient * 2**bits + digit
    return ops.floor_divide(quotient + 1, 2)


def accept_any_size(network: keras.Model) -> keras.Model:
    """Put the resizing into the model, so that it accepts uint8 images of any size.

    Images of the network's own size pass unchanged. Training uses the network without resizing.

    Args:
        network: model from pixels to probabilities; its weights are shared, not copied.

    Returns:
        Model from uint8 RGB images of shape (batch, height, width, 3) to probabilities.
    """
    images = keras.Input((None, None, 3), dtype="uint8", name="images")
    resized = resize(images, network.input_shape[1])
    # Without training=False, a plain call would apply dropout.
    return keras.Model(images, network(resized, training=False), name="classifier")
