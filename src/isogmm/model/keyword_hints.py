"""Keyword arguments of other libraries, and what stands for them here."""

from collections.abc import Collection

#: Names of other libraries, separated by blanks, and the hints for them.  A hint has the argument
#: that it names, or None; the first hint whose argument the function has is shown.
HINTS: tuple[tuple[str, tuple[tuple[str | None, str], ...]], ...] = (
    (
        "seed rng rng_key rng_seed key prng_key random_key random_state",
        (
            (
                "random_seed",
                "Use random_seed=..., which takes an int, a list of ints, a NumPy Generator or a "
                "JAX key.",
            ),
        ),
    ),
    (
        "tune warmup num_warmup n_tune n_warmup iter_warmup",
        (
            ("tune", "Use tune=..., the number of transitions of the warm-up."),
            (
                "refine",
                "fit_isogmm has no warm-up. The HMC chains of a fit have one: "
                "refine=isogmm.Refine(min_warmup=...). For NUTS use isogmm.baselines.nuts(model, "
                "tune=...).",
            ),
            (None, "There is no warm-up. Leave it out."),
        ),
    ),
    (
        "n_draws num_draws ndraws iter_sampling n_samples num_samples nsamples samples size",
        (("draws", "Use draws=..., the number of draws of each chain."),),
    ),
    (
        "n iter iterations n_iter num_iter niter maxiter max_iter num_iterations n_iterations "
        "steps num_steps n_steps max_steps epochs",
        (
            (
                "tune",
                "Use draws=... and tune=..., the numbers of draws and of warm-up transitions.",
            ),
            (
                "max_iterations",
                "Use max_iterations=... for the number of iterations, and draws=... for that of "
                "draws. Without max_iterations the fit ends when the ELBO no longer improves.",
            ),
            ("num_steps", "Use num_steps=... for the number of steps, and draws=... for draws."),
            ("iterations", "Use iterations=... for the number of steps, and draws=... for draws."),
            ("maxiter", "Use maxiter=... for the number of iterations, and draws=... for draws."),
            ("draws", "Use draws=... for the number of draws of each chain."),
        ),
    ),
    ("num_chains n_chains nchains", (("chains", "Use chains=..."),)),
    (
        "progress progress_bar show_progress progressbar_theme verbose quiet",
        (("progressbar", "Use progressbar=False to switch the progress line off."),),
    ),
    (
        "cores n_jobs num_cores parallel_chains chain_method parallel mp_ctx threads blas_cores",
        (
            ("folder", "Use executor=..., a number of processes."),
            (
                "refine",
                "All chains run together in one process, so there is nothing to choose. Leave it "
                "out.",
            ),
            (None, "The number of processes cannot be chosen here. Leave it out."),
        ),
    ),
    (
        "nuts_sampler nuts_sampler_kwargs sampler step kernel nuts nuts_kwargs",
        (
            (
                "refine",
                "The fit has no sampler to choose. For NUTS use isogmm.baselines.nuts(model).",
            ),
            (None, "There is no sampler to choose. Leave it out."),
        ),
    ),
    (
        "target_accept target_accept_prob target_acceptance_rate adapt_delta",
        (
            ("target_accept", "Use target_accept=..., an acceptance rate between 0 and 1."),
            ("target_accept_prob", "Use target_accept_prob=..., a rate between 0 and 1."),
            (
                "refine",
                "The fit chooses its step sizes. For NUTS with its own settings use "
                "isogmm.baselines.nuts(model, ...).",
            ),
            (None, "It cannot be chosen here. Leave it out."),
        ),
    ),
    (
        "max_tree_depth max_treedepth",
        (
            ("max_tree_depth", "Use max_tree_depth=..."),
            ("max_treedepth", "Use max_treedepth=..."),
            (
                "refine",
                "The fit has no trees. For NUTS with its own settings use "
                "isogmm.baselines.nuts(model, ...).",
            ),
            (None, "It cannot be chosen here. Leave it out."),
        ),
    ),
    (
        "step_size stepsize dense_mass adapt_step_size",
        (
            ("step_size", "Use step_size=..."),
            (
                "refine",
                "The fit chooses its step sizes. For NUTS with its own settings use "
                "isogmm.baselines.nuts(model, ...).",
            ),
            (None, "It cannot be chosen here. Leave it out."),
        ),
    ),
    (
        "initvals init_params initial_values inits start init_strategy init_loc_fn "
        "jitter_max_retries",
        (
            (
                "init",
                "The fit finds its starting points. For others use init=..., or resume=... with "
                "an earlier result.",
            ),
            (None, "The starting points cannot be chosen here. Leave it out."),
        ),
    ),
    (
        "return_inferencedata keep_warning_stat compute_convergence_checks discard_tuned_samples",
        (
            (
                None,
                "The result is always an ArviZ object with its diagnostics. Leave it out.",
            ),
        ),
    ),
    (
        "data observed obs args kwargs model_args",
        (
            (
                "model_kwargs",
                "Pass data of a NumPyro model after the model, or as model_kwargs={...}.",
            ),
        ),
    ),
    (
        "log_likelihood log_prior include_transformed dims coords",
        (("idata_kwargs", "Use idata_kwargs={...} with this name as the key."),),
    ),
    (
        "optimizer optim obj_optimizer learning_rate lr obj_n_mc num_particles loss",
        (
            ("obj_optimizer", "Use obj_optimizer=pm.adam(learning_rate=...), or another of PyMC."),
            ("tune", "There is no optimizer. Leave it out."),
            ("step_size", "The optimizer is Adam: use step_size=..."),
            (
                "method",
                "There is no optimizer to choose; method=... takes one of the update rules.",
            ),
            (None, "There is no optimizer to choose. Leave it out."),
        ),
    ),
    (
        "guide",
        (
            (
                "num_components",
                "There is no guide: the family is a mixture with num_components Gaussians.",
            ),
        ),
    ),
    (
        "k n_components components num_mixtures mixture_size",
        (("num_components", "Use num_components=..."),),
    ),
    ("tol tol_rel_obj rtol eps", (("tolerance", "Use tolerance=..., in nats."),)),
    ("timeout max_time time_limit", (("max_seconds", "Use max_seconds=..."),)),
    ("callbacks on_step", (("callback", "Use callback=..., one function."),)),
    (
        "backend device",
        (("array_backend", 'Use array_backend="numpy" or array_backend="jax".'),),
    ),
    ("trace", (("resume", "Use resume=... to continue an earlier result."),)),
    ("var_names", ((None, "The result has all variables. Select from it after the run."),)),
)


def hint_for(name: str, known: Collection[str]) -> str | None:
    """What stands for an argument of another library in a function with these arguments.

    Parameters
    ----------
    name
        The argument that the function does not have, of any case.
    known
        The arguments that it has.

    Returns
    -------
    str or None
        A sentence, or None if the name is not known or nothing stands for it.
    """
    for names, hints in HINTS:
        if name.lower() in names.split():
            return next(
                (hint for argument, hint in hints if argument is None or argument in known), None
            )
    return None
