"""What every room stands on: params, files, images, the manifest, errors."""
