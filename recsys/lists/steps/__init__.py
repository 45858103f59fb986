"""Steps between ranking and the published list, one module each."""
