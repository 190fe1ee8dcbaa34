"""Generators: pictures from latents, and pictures made anew from pictures. Needs torch (the `[learn]` extra)."""
