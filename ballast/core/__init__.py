"""What all other packages build on: params, files, images, the manifest and errors."""
