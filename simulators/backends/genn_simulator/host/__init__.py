"""The machine that GeNN runs on: compilers, compiled models kept, graphics processor."""
