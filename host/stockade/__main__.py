"""`python -m stockade` is `stockade`."""

from stockade.cli import main

if __name__ == "__main__":
    main()
