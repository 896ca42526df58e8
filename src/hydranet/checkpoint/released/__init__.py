"""Networks that come with the package: weights in half precision, a folder each, with a model card."""
