"""Make the course's models that are missing here, or with --retrain those that ship with the package."""

import argparse
import sys

from minillm.course.models import DEFAULTS, make_all
from minillm.course.models.retraining import SWEEP, retrain
from minillm.errors import UserError


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m minillm.course.models", description=__doc__)
    known = (*DEFAULTS, SWEEP)
    parser.add_argument(
        "--retrain",
        nargs="*",
        metavar="NAME",
        help=f"train the named shipped models anew ({', '.join(known)}; without a name: all), their missing starts, "
        "and the models that start from a changed one; writes into the package's folder",
    )
    options = parser.parse_args(arguments)
    try:
        if options.retrain is None:
            make_all()
        else:
            print(f"made: {', '.join(retrain(options.retrain))}")
    except (OSError, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the same command resumes", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
