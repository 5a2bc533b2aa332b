"""From text to desired state: parsing, schemas, validation, references. Pure functions from values to values, which
read no file and no clock; what is wrong with the input comes back as diagnostics."""
