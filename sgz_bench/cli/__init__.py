"""Command line: commands, the options they share, console output."""
