"""Training patch classifiers: the torch half of telltale."""
