"""What gives a picture away: heatmaps and patches."""
