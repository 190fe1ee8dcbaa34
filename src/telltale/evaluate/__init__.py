"""Scores of many images, metrics with intervals, calibration."""
