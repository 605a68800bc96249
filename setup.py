"""What pyproject.toml cannot say: in the wheel the harness lies inside the package ``alsatian``.

``analysis``, ``baselines``, ``conf`` and ``experiments`` are names that anybody's own folders may have. At the top
level of site-packages there is ``alsatian`` alone; :mod:`alsatian.__main__` makes the others importable for the
command.
"""

from setuptools import find_packages, setup

HARNESS = "alsatian._harness"
ROOMS = ("analysis", "baselines", "experiments")

setup(
    packages=[
        *find_packages(include=["alsatian", "alsatian.*"]),
        *(f"{HARNESS}.{package}" for room in ROOMS for package in find_packages(include=[room, f"{room}.*"])),
        f"{HARNESS}.conf",
    ],
    package_dir={f"{HARNESS}.{room}": room for room in (*ROOMS, "conf")},
    package_data={
        "": ["*.json", "*.html", "*.js", "*.csv", "*.txt", "models.yaml"],
        f"{HARNESS}.conf": ["**/*.yaml", "hardware/*.json"],
    },
)
