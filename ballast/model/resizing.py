"""Pillow's bilinear resizing inside a Keras model, bit for bit, for images of any size.

Pillow resizes 8-bit images in fixed point: a triangle of weights, as wide as the pixels that fall
into one, rounded to 22 bits; first along the rows and then along the columns, each rounded to 8
bits (Pillow's src/libImaging/Resample.c). Here the same weights come from whole numbers alone, and
the products of matrices from sums below 2**24, which float32 holds: no processor can differ.
"""

from ballast.keras_setup import keras

PRECISION = 22  # bits of Pillow's weights
HALF = PRECISION // 2  # sums are made of each half: together they would not fit
# Bits of each step of the long division, 23 together; a remainder is below 2**26.
STEPS = (5, 5, 5, 4, 4)


def resize(images: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Resize as Image.resize((size, size), Image.Resampling.BILINEAR) does.

    Built of Keras's own operations, so that a model with it loads in safe mode anywhere.

    Args:
        images: RGB of shape (n, height, width, 3), of any type, whole numbers from 0 to 255; a side
            of up to 64 times `size`. Beyond, single pixels may differ by 1.
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
    # Half of 2**22 rounds to the nearest.
    whole = sums + 2.0 ** (HALF - 1) + ops.floor(parts * 2.0**-HALF)
    return ops.floor(whole * 2.0**-HALF)


def _weights(ones: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Weights of `length` pixels in each of `size`: int32 of shape (size, length), ones 2**22.

    Args:
        ones: int32 of shape (length,), since the length itself is not known while a model is built.
        size: number of pixels afterwards.
    """
    ops = keras.ops
    length = ops.sum(ones)
    odd = 2 * ops.cumsum(ones) - 1  # centres, in halves of a pixel
    # By a sum, too: tf2onnx loses a constant here.
    lengths = ops.broadcast_to(length, (size, 1))
    centres = 2 * ops.cumsum(lengths, axis=0) - lengths
    distances = ops.absolute(size * ops.expand_dims(odd, 0) - centres)
    shares = ops.maximum(2 * ops.maximum(length, size) - distances, 0)
    total = ops.sum(shares, axis=1, keepdims=True)
    # Shares of the total as whole numbers of 23 bits, and one bit fewer once rounded.
    quotient, remainder = ops.zeros_like(shares), shares
    for bits in STEPS:
        remainder = remainder * 2**bits
        digit = ops.floor_divide(remainder, total)
        remainder = remainder - digit * total
        quotient = quotient * 2**bits + digit
    return ops.floor_divide(quotient + 1, 2)


def accept_any_size(network: keras.Model) -> keras.Model:
    """Put the resizing inside the model, so that it can be called on any uint8 images.

    Images that have the network's size already pass unchanged. Training goes without it.

    Args:
        network: from pixels to probabilities; its weights are shared, not copied.

    Returns:
        Model from uint8 RGB images of shape (batch, height, width, 3) to probabilities.
    """
    images = keras.Input((None, None, 3), dtype="uint8", name="images")
    resized = resize(images, network.input_shape[1])
    # Without training=False a plain call would drop units by chance.
    return keras.Model(images, network(resized, training=False), name="classifier")
