"""Great Expectations: suites, checks, quarantine, Data Docs. The only package that imports it."""
