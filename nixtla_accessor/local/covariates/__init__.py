"""The effects of covariates on a panel: a regression around a forecaster that reads the series alone."""
