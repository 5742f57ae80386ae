"""Keyword arguments of other libraries, and what stands for them here."""

from collections.abc import Collection

#: Names of other libraries, separated by blanks, and the hints for them.  A hint has the argument
#: that it names, or None; the first hint whose argument the function has is shown.
HINTS: tuple[tuple[str, tuple[tuple[str | None, str], ...]], ...] = (
    (
        "seed seeds rng rng_key rng_seed key jax_key prng prng_key random_key random_state state "
        "np_random_seed",
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
                "fit_isogmm has no warm-up. Leave it out. For NUTS use "
                "isogmm.baselines.nuts(model, tune=...).",
            ),
            (None, "There is no warm-up. Leave it out."),
        ),
    ),
    (
        "n_draws num_draws ndraws iter_sampling n_samples num_samples nsamples samples size "
        "output_samples num_samples_per_chain",
        (("draws", "Use draws=..., the number of draws of each chain."),),
    ),
    (
        "thin thinning thin_by",
        (
            (
                None,
                "The draws are not thinned. Select from them after the run: idata.sel(draw=...).",
            ),
        ),
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
    ("num_chains n_chains nchains chain_count", (("chains", "Use chains=..."),)),
    (
        "progress progress_bar show_progress progressbar_theme verbose quiet silent pbar tqdm "
        "refresh disable_progressbar disable_progress_bar show_console show_messages log logger",
        (("progressbar", "Use progressbar=False to switch the progress line off."),),
    ),
    (
        "cores n_jobs num_cores parallel_chains chain_method parallel mp_ctx threads blas_cores "
        "threads_per_chain num_threads use_gpu",
        (
            ("folder", "Use executor=..., a number of processes."),
            (
                "refine",
                "All chains run together in one process. Leave it out.",
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
        "step_size stepsize dense_mass adapt_step_size metric inv_metric mass_matrix "
        "adapt_mass_matrix regularize_mass_matrix inverse_mass_matrix trajectory_length "
        "find_heuristic_step_size forward_mode_differentiation adapt_engaged step_scale",
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
        "initvals initval init_params initial_values inits start startvals init_strategy "
        "init_loc_fn initial_point initial_points initial_position x0 jitter_max_retries jitter "
        "n_init n_restarts num_restarts restarts",
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
        "return_inferencedata keep_warning_stat compute_convergence_checks discard_tuned_samples "
        "save_warmup collect_warmup extra_fields keep_untransformed postprocess_fn zarr_store "
        "output_dir sig_figs",
        (
            (
                None,
                "The result is always an ArviZ object with its diagnostics. Leave it out.",
            ),
        ),
    ),
    (
        "data observed obs args kwargs model_args model_kwarg",
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
        "optimizer optim obj_optimizer learning_rate lr obj_n_mc num_particles loss eta adapt_iter "
        "grad_samples elbo_samples eval_elbo elbo score test_optimizer start_sigma stable_update "
        "cost_part_grad_scale temperature beta",
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
                "There is no guide. The fit uses a mixture of num_components Gaussians. Leave it "
                "out.",
            ),
        ),
    ),
    (
        "k n_components ncomponents ncomp components num_mixtures n_mixtures mixture_size "
        "n_clusters num_clusters",
        (("num_components", "Use num_components=..."),),
    ),
    ("tol tol_rel_obj rtol eps", (("tolerance", "Use tolerance=..., in nats."),)),
    ("timeout max_time time_limit", (("max_seconds", "Use max_seconds=..."),)),
    ("callbacks on_step", (("callback", "Use callback=..., one function."),)),
    (
        "backend device",
        (("array_backend", 'Use array_backend="numpy" or array_backend="jax".'),),
    ),
    (
        "trace idata svi_state inference_data",
        (("resume", "Use resume=... to continue an earlier result."),),
    ),
    (
        "covariance covariance_type full_covariance full_rank",
        (
            (
                "family",
                "fit_isogmm chooses between isotropic and full covariances with family='auto'; "
                "isogmm.fit_gmmvi has covariance=....",
            ),
        ),
    ),
    (
        "potential_fn target_log_prob_fn logp log_prob_fn logdensity_fn log_density fn",
        (("random_seed", "Pass isogmm.LogDensity(function, example) as the model."),),
    ),
    (
        "formula priors link center_predictors noncentered auto_scale include_mean "
        "include_response_params inference_method omit_offsets",
        (("random_seed", "This is an argument of bambi.Model; pass the model that it returns."),),
    ),
    (
        "batch_size minibatch minibatch_size subsample_size total_size more_replacements",
        (
            (
                "num_components",
                "Every evaluation uses all rows of the data. For data that do not fit into memory "
                "use isogmm.fit_rows.",
            ),
            (None, "Every evaluation uses all rows of the data. Leave it out."),
        ),
    ),
    (
        "precision dtype float_precision enable_x64 x64",
        (
            (
                "random_seed",
                "The model decides: call numpyro.enable_x64() before the fit, or set PyTensor's "
                "floatX.",
            ),
        ),
    ),
    (
        "name model_name run_name",
        (("random_seed", "A fit has no name. Leave it out, or add an attribute to the result."),),
    ),
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
