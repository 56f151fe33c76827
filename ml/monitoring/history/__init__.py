"""A model's history as one page: what was seen, what was decided, and who was champion."""
