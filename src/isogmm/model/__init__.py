"""What is fitted: a log density on R^d with its gradient, made from any kind of model."""
