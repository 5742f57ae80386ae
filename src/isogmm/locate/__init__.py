"""Search for the posterior mass, its modes and good coordinates.

A search (``search.py``) follows optimization paths (``paths``), compares Gaussians along them
(``race``), searches further modes (``modes``), also by values on spheres around the known modes
(``spheres``), and fits one Gaussian to each mode.  ``gaussian`` has the Gaussians and their fits,
``values`` the search without gradients.
"""
