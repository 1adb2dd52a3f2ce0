"""The subcommands of `ballast`."""
