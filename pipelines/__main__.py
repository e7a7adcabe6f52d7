"""`python -m pipelines` is `millstream`."""

from pipelines.cli import main

if __name__ == "__main__":
    main()
