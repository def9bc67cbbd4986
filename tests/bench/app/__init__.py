"""The app that convexpy runs in the benchmark."""
