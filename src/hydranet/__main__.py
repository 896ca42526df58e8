"""`python -m hydranet`: the command line, also for torchrun."""

from hydranet.cli.main import main

if __name__ == "__main__":
    main()
