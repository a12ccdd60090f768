"""What the user hands in: TOML, a model's defaults, code and data of their own."""
