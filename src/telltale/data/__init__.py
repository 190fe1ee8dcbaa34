"""Samples, data sets built with equal formats, audits of format leaks, corruptions."""
