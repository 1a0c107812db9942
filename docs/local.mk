# docs

# cohortd: the manual and a configuration file (tests/integration/server_options.sh compares both with the program)
dist_man_MANS += docs/cohortd.8
dist_pkgdata_DATA += docs/cohortd.conf.sample

EXTRA_DIST += docs/statistics.md
