"""Models whose data were forgotten: the warning names the arguments and the sites."""

import functools

import numpy as np
import pytest

from isogmm.errors import FitWarning, ModelError

X = np.linspace(0.0, 1.0, 12)


@pytest.mark.numpyro
class TestNumPyro:
    @pytest.fixture(autouse=True)
    def _language(self):
        self.numpyro = pytest.importorskip("numpyro")

    def to_target(self, model, *args, **kwargs):
        from isogmm_numpyro import NumPyroAdapter

        return NumPyroAdapter().to_target(model, args, kwargs, 0)

    def regression(self, x, y=None):
        normal = self.numpyro.distributions.Normal
        slope = self.numpyro.sample("slope", normal())
        with self.numpyro.plate("rows", len(x)):
            self.numpyro.sample("obs", normal(slope * x), obs=y)

    def transformed(self, data):
        """A model that computes with the data, which an arbitrary object could not stand for."""
        normal, y = self.numpyro.distributions.Normal, data["y"]
        mu = self.numpyro.sample("mu", normal())
        with self.numpyro.plate("rows", 12 if y is None else len(y)):
            self.numpyro.sample("obs", normal(mu), obs=None if y is None else abs(y) + 1)

    def with_potential(self, y=None):
        mu = self.numpyro.sample("mu", self.numpyro.distributions.Normal())
        self.numpyro.factor("term", -(mu**2))

    def counts(self, k=None):
        rate = self.numpyro.sample("rate", self.numpyro.distributions.Gamma(2.0))
        self.numpyro.sample("k", self.numpyro.distributions.Poisson(rate), obs=k)

    @pytest.mark.long
    def test_the_argument_and_the_site_are_named(self):
        for model, args, argument in (
            (self.regression, (X,), "y"),
            (functools.partial(self.regression, y=None), (X,), "y"),
            (self.transformed, ({"y": None},), "data.y"),
        ):
            message = (
                rf"posterior is the prior.*site 'obs' is latent.*argument '{argument}' is None"
            )
            with pytest.warns(FitWarning, match=message):
                target = self.to_target(model, *args)
            assert "posterior is the prior" in target.notes[0]

    @pytest.mark.long
    def test_a_site_whose_data_are_no_argument_is_named(self):
        for model, args in (
            (lambda x, **data: self.regression(x, data.get("y")), (X,)),
            (lambda x, use=False: self.regression(x, X if use else None), (X,)),
        ):
            message = "No other site depends on 'obs': .*pass obs=data"
            with pytest.warns(FitWarning, match=message):
                self.to_target(model, *args)

    def without_effect(self, x, y, mask=True, used=1.0):
        dist = self.numpyro.distributions
        slope = self.numpyro.sample("slope", dist.HalfNormal())
        with self.numpyro.handlers.mask(mask=mask):
            self.numpyro.sample("obs", dist.Normal(used * slope * x if used else x), obs=y)
        return slope

    @pytest.mark.parametrize("mask", [np.isnan(X), False])
    def test_a_mask_that_selects_no_value(self, mask):
        message = "mask of 'obs' selects no value.*pass ~mask"
        with pytest.warns(FitWarning, match=message):
            target = self.to_target(self.without_effect, X, X, mask)
        assert "selects no value" in target.notes[0]
        assert self.to_target(self.without_effect, X, X, X > 0.5).notes == ()

    def test_a_mask_beside_other_data(self):
        def model(x):
            slope = self.without_effect(x, x, False)
            self.numpyro.sample("more", self.numpyro.distributions.Normal(slope), obs=x)

        assert self.to_target(model, X).notes == ()

    def test_data_without_effect(self):
        with pytest.warns(FitWarning, match="data of 'obs' are empty, so the posterior is the"):
            self.to_target(self.without_effect, X[:0], X[:0])
        with pytest.warns(FitWarning, match=r"no latent site enters the terms .*\('obs'\)"):
            self.to_target(self.without_effect, X, X, True, 0.0)
        assert self.to_target(self.without_effect, X, X).notes == ()

    def test_data_under_a_wrong_name_are_found_out(self):
        model = self.numpyro.handlers.condition(self.regression, data={"y": X})
        with pytest.warns(FitWarning, match="no observed site"):
            self.to_target(model, X)

    @pytest.mark.filterwarnings("error:the model has no observed")
    def test_models_with_data_or_a_factor_are_accepted(self):
        conditioned = self.numpyro.handlers.condition(self.regression, data={"obs": X})
        assert self.to_target(self.regression, X, X).notes == ()
        assert self.to_target(self.with_potential).notes == ()
        assert self.to_target(conditioned, X).notes == ()

    def two_outcomes(self, x, y1=None, y2=None, scale=None, k=None):
        """Both outcomes depend on ``scale``, which is a parameter if it is not given."""
        dist = self.numpyro.distributions
        slope = self.numpyro.sample("slope", dist.Normal())
        scale = self.numpyro.sample("scale", dist.HalfNormal(), obs=scale)
        with self.numpyro.plate("rows", len(x)):
            self.numpyro.sample("first", dist.Normal(slope * x, scale), obs=y1)
            second = self.numpyro.sample("second", dist.Normal(slope * x, scale), obs=y2)
            self.numpyro.deterministic("twice", 2 * second)
            self.numpyro.sample("label", dist.Bernoulli(logits=slope * x), obs=k)

    def test_data_of_some_sites(self):
        k = np.ones(12, int)
        for given, site, argument in (
            ({"y1": X, "k": k}, "second", "y2"),
            ({"y2": X, "k": k}, "first", "y1"),
            ({"y1": X, "y2": X}, "label", "k"),
        ):
            message = f"the draws of the others are predictions. The site '{site}' is latent "
            message += f"because the argument '{argument}' is None"
            with pytest.warns(FitWarning, match=message) as caught:
                target = self.to_target(self.two_outcomes, X, **given)
            assert "'scale'" not in str(caught[0].message)
            assert "are predictions" in target.notes[0]

    def chained(self, x=None, y=None, weights=None):
        """A missing ``x`` is a parameter: ``y`` depends on it."""
        normal = self.numpyro.distributions.Normal
        x = self.numpyro.sample("x", normal().expand([12]).to_event(1), obs=x)
        slope = self.numpyro.sample("slope", normal())
        self.numpyro.sample("y", normal(slope * x, 1.0 if weights is None else weights), obs=y)

    @pytest.mark.long
    @pytest.mark.filterwarnings("error:data are given for some sites only")
    def test_sites_that_are_meant_to_be_latent(self):
        k = np.ones(12, int)
        assert self.to_target(self.two_outcomes, X, X, X, k=k).notes == ()
        assert self.to_target(self.chained, y=X).notes == ()

    def test_forgotten_counts_are_named(self):
        """Without its data a Poisson site is discrete and latent, which is another error."""
        with pytest.raises(ModelError, match="'k' is latent because the argument 'k' is None"):
            self.to_target(self.counts)

    @pytest.mark.long
    @pytest.mark.usefixtures("unchecked")
    def test_the_report_says_so(self):
        import isogmm

        with pytest.warns(FitWarning, match="posterior is the prior"):
            idata = isogmm.fit_isogmm(self.regression, X, random_seed=0, progressbar=False)
        assert "argument 'y' is None" in idata.attrs["advice"]
        assert "argument 'y' is None" in str(isogmm.report(idata))


@pytest.mark.pymc
class TestPyMC:
    def to_target(self, observed, *, potential=False):
        pm = pytest.importorskip("pymc")
        from isogmm_pymc import PyMCAdapter

        with pm.Model() as model:
            mu = pm.Normal("mu", 0, 1)
            pm.Deterministic("twice", 2 * mu)
            pm.Normal("y", mu, 1, shape=3, observed=observed)
            if potential:
                pm.Potential("term", -(mu**2))
        return PyMCAdapter().to_target(model, (), {}, 0)

    def test_the_variable_is_named(self):
        with pytest.warns(
            FitWarning, match="posterior is the prior. No other variable depends on y:"
        ):
            target = self.to_target(None)
        assert "posterior is the prior" in target.notes[0]

    def built(self, build):
        pm = pytest.importorskip("pymc")
        from isogmm_pymc import PyMCAdapter

        with pm.Model() as model:
            mu = pm.Normal("mu", 0, 1)
            build(pm, mu)
        return PyMCAdapter().to_target(model, (), {}, 0)

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda pm, mu: pm.Normal("y", mu, 1, observed=[]), "data of y are empty"),
            (lambda pm, mu: pm.Normal("y", 0, 1, observed=X), r"no latent .*\(y\), so the post"),
            (lambda pm, mu: pm.Deterministic("y", 2 * mu), "is the prior. Pass the data to a"),
            (
                lambda pm, mu: (pm.Normal("y", mu, 1, shape=12), pm.Data("seen", X)),
                "depends on y: .*does not use the data seen",
            ),
            (
                lambda pm, mu: (
                    pm.Normal("y", mu, 1, shape=12),
                    pm.Normal("z", mu, 1, shape=12, observed=pm.Data("other", X)),
                    pm.Data("seen", X),
                ),
                "variable y has no data.*does not use the data seen",
            ),
        ],
        ids=["empty", "independent", "deterministic", "unused data", "some data"],
    )
    def test_data_without_effect(self, build, message):
        with pytest.warns(FitWarning, match=message):
            self.built(build)

    @pytest.mark.filterwarnings("error:the variable")
    def test_data_for_other_purposes_are_accepted(self):
        def build(pm, mu):
            pm.Data("weights", X[:5])
            pm.Data("unused", X)
            pm.Data("number", 1.0)  # any scalar has its shape
            pm.Normal("scalar", mu, 1)
            pm.Potential("term", -pm.Normal("used", mu, 1, shape=12).sum())
            pm.Normal("future", mu, 1, shape=3)
            pm.Normal("y", mu, 1, observed=X)

        assert self.built(build).notes == ()

    @pytest.mark.long
    @pytest.mark.filterwarnings("error:the PyMC model has no observed")
    def test_models_with_data_or_a_potential_are_accepted(self):
        assert self.to_target(np.zeros(3)).notes == ()
        assert self.to_target(None, potential=True).notes == ()
