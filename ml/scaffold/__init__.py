"""From a sample of the data to a declaration that a person likes to read and correct."""
