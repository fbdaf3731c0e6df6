"""Pages for researchers: data, runs, models, rounds. Thin: access and reads from selectors, writes through services."""
