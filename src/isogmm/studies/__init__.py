"""Many fits of one model: to many data sets, and to data that the model simulates."""
