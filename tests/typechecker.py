"""The run-time type checker of the test run, named in pyproject.toml (`--jaxtyping-packages`)."""

from beartype import BeartypeConf, beartype

# The numeric tower: an int is welcome where a float is, as every caller and PEP 484 expect (temperature=0).
typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))
