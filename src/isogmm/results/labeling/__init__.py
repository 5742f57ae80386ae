"""Labels of dimensions: in indices, in files and in predictions."""
