"""Posteriors of regressions and networks on the data sets that scikit-learn carries itself."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from experiments.problems import Problem

LOG_2PI = float(np.log(2.0 * np.pi))


def _split(
    load: str,
    train_share: float,
    seed: int = 0,
    enlarge: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features with mean 0 and sd 1 on the training rows, a random part of all rows."""
    import sklearn.datasets

    data = getattr(sklearn.datasets, load)()
    features, labels = enlarge(np.asarray(data.data, float)), np.asarray(data.target)
    order = np.random.default_rng(seed).permutation(len(features))
    cut = round(train_share * len(features))
    train, test = order[:cut], order[cut:]
    mean, sd = features[train].mean(0), features[train].std(0)
    features = (features - mean) / np.where(sd > 0, sd, 1.0)
    return features[train], labels[train], features[test], labels[test]


def _log_prior(x: Any, variance: float) -> Any:
    return -0.5 * jnp.sum(x * x) / variance - 0.5 * x.shape[0] * (LOG_2PI + np.log(variance))


def _accuracy(
    logits: Callable[[Any, Any], Any], features: np.ndarray, labels: np.ndarray
) -> Callable[[np.ndarray], dict[str, float]]:
    """Accuracy and mean log probability of the labels under the averaged probabilities."""

    @jax.jit
    def log_probabilities(x: Any) -> Any:
        values = logits(x, jnp.asarray(features, x.dtype))
        return values - logsumexp(values, axis=1, keepdims=True)

    def predict(draws: np.ndarray) -> dict[str, float]:
        logs = np.stack([np.asarray(log_probabilities(x), float) for x in draws])
        mean = np.log(np.exp(logs).mean(axis=0))
        return {
            "accuracy": float((mean.argmax(axis=1) == labels).mean()),
            "log_predictive": float(mean[np.arange(len(labels)), labels].mean()),
        }

    return predict


def _categorical(
    name: str,
    dim: int,
    logits: Callable[[Any, Any], Any],
    split: tuple[np.ndarray, ...],
    prior_variance: float,
    **options: Any,
) -> Problem:
    features, labels, test_features, test_labels = split
    one_hot = np.eye(int(labels.max()) + 1)[labels]

    def log_density(x: Any) -> Any:
        values = logits(x, jnp.asarray(features, x.dtype))
        chosen = jnp.sum(values * jnp.asarray(one_hot, x.dtype))
        return chosen - jnp.sum(logsumexp(values, axis=1)) + _log_prior(x, prior_variance)

    predict = _accuracy(logits, test_features, test_labels)
    return Problem(name, dim, log_density, predict=predict, **options)


def breast_cancer(name: str = "breast_cancer", train_share: float = 0.5) -> Problem:
    """Logistic regression, 30 features, no intercept, prior variance 100."""

    def logits(x: Any, features: Any) -> Any:
        line = features @ x
        return jnp.stack([jnp.zeros_like(line), line], axis=1)

    return _categorical(name, 30, logits, _split("load_breast_cancer", train_share), 100.0)


def breast_cancer_scaled(name: str = "breast_cancer_scaled") -> Problem:
    """All 569 rows, features divided by their sds, not centered, an intercept: d = 31.

    References
    ----------
    Arenz, Dahlinger, Ye, Volpp, Neumann (2023). A unified perspective on natural gradient
    variational inference with Gaussian mixture models. arXiv:2209.11533.
    """
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    design = np.hstack([np.ones((len(data.data), 1)), data.data / data.data.std(0)])
    signs = 2.0 * data.target - 1.0

    def log_density(x: Any) -> Any:
        margins = jnp.asarray(signs) * (jnp.asarray(design) @ x)
        return -jnp.sum(jnp.logaddexp(0.0, -margins)) + _log_prior(x, 100.0)

    return Problem(name, 31, log_density)


def wine(name: str = "wine", train_share: float = 0.5) -> Problem:
    """Softmax regression, 13 features, three classes, no intercepts, prior variance 100."""
    split = _split("load_wine", train_share)
    return _categorical(name, 39, lambda x, rows: rows @ x.reshape(13, 3), split, 100.0)


def network_regression(
    name: str = "diabetes_network", hidden: int = 50, train_share: float = 0.5
) -> Problem:
    """A network with one hidden layer of rectifiers on ten features, prior variance 10.

    The response has mean 0 and sd 1 on the training rows; the noise has sd 0.7, about what a
    linear regression leaves.
    """
    features, labels, test_features, test_labels = _split("load_diabetes", train_share)
    mean, sd = labels.mean(), labels.std()
    response, test_response = (labels - mean) / sd, (test_labels - mean) / sd
    noise, inputs = 0.7, features.shape[1]
    dim = inputs * hidden + 2 * hidden + 1

    def output(x: Any, rows: Any) -> Any:
        first = x[: inputs * hidden].reshape(inputs, hidden)
        bias = x[inputs * hidden : (inputs + 1) * hidden]
        second = x[(inputs + 1) * hidden : (inputs + 2) * hidden]
        return jax.nn.relu(rows @ first + bias[None, :]) @ second + x[-1]

    def log_density(x: Any) -> Any:
        rest = jnp.asarray(response, x.dtype) - output(x, jnp.asarray(features, x.dtype))
        fit = -0.5 * jnp.sum(rest**2) / noise**2
        return fit - len(response) * (0.5 * LOG_2PI + np.log(noise)) + _log_prior(x, 10.0)

    @jax.jit
    def output_of_test_rows(x: Any) -> Any:
        return output(x, jnp.asarray(test_features, x.dtype))

    def predict(draws: np.ndarray) -> dict[str, float]:
        outputs = np.stack([np.asarray(output_of_test_rows(x), float) for x in draws])
        logs = -0.5 * ((test_response - outputs) / noise) ** 2 - 0.5 * LOG_2PI - np.log(noise)
        top = logs.max(axis=0)
        return {
            "rmse": float(np.sqrt(((outputs.mean(0) - test_response) ** 2).mean())),
            "log_predictive": float((top + np.log(np.exp(logs - top).mean(0))).mean()),
        }

    return Problem(name, dim, log_density, predict=predict, start_scale=0.5, x64=False)


def digits_network(
    name: str = "digits_network", hidden: int = 256, side: int = 28, train_share: float = 0.8
) -> Problem:
    """A classifier of the digits, enlarged to ``side`` by ``side`` pixels, with one hidden layer.

    d = (side² + 1) hidden + 10 (hidden + 1): 203,530 with the paper's 28 by 28 pixels and 256
    rectifiers.  Weights have prior variance one over the number of inputs of their layer, biases
    one; the position holds them in units of their prior sd, so that the prior is N(0, I).
    """
    split = _split("load_digits", train_share, enlarge=partial(_enlarged, side=side))
    inputs, classes = side**2, 10
    sizes = [inputs * hidden, hidden, hidden * classes, classes]
    cuts = list(np.cumsum(sizes)[:-1])

    def logits(x: Any, rows: Any) -> Any:
        first, bias, second, last = jnp.split(x, cuts)
        inner = rows @ first.reshape(inputs, hidden) / np.sqrt(inputs) + bias[None, :]
        outer = jax.nn.relu(inner) @ second.reshape(hidden, classes)
        return outer / np.sqrt(hidden) + last[None, :]

    return _categorical(name, sum(sizes), logits, split, 1.0, x64=False)


def _enlarged(features: np.ndarray, side: int) -> np.ndarray:
    """Rows of 8 by 8 pixels, between whose centers the brightness is linear."""
    from scipy.ndimage import zoom

    pixels = features.reshape(-1, 8, 8)
    larger = zoom(pixels, (1, side / 8, side / 8), order=1, mode="nearest", grid_mode=True)
    return larger.reshape(len(features), -1)
