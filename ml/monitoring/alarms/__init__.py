"""When a drift is an alarm: one promised rate of false ones, tests that hold it for any distribution, and a floor of what matters."""
