"""The app under the benchmark."""
