"""Language models: asked at an endpoint, or run on this machine."""
