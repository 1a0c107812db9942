# docs

# cohortd: the manual and a configuration file (tests/integration/server_options.sh compares both with the program)
dist_man_MANS += docs/cohortd.8
dist_pkgdata_DATA += docs/cohortd.conf.sample

EXTRA_DIST += docs/statistics.md docs/bandits.md

# What an operator copies and changes; tests run them as they are.
examplesdir = $(pkgdatadir)/examples
dist_examples_DATA = packaging/nginx.conf packaging/haproxy.cfg packaging/prometheus-rules.yml packaging/grafana-dashboard.json

# cohortctl and the demo
dist_man_MANS += docs/cohortctl.1
EXTRA_DIST += docs/demo/demo.sh docs/demo/demo.sql docs/demo/stopped.svg quickstart run-tests .ci/run .ci/packages.sh
EXTRA_DIST += README.md docs/http-api.md docs/sql.md docs/operations.md
EXTRA_DIST += docs/assignment.md docs/contextual.md docs/performance.md
EXTRA_DIST += README.md docs/http-api.md docs/sql.md docs/operations.md docs/security.md
EXTRA_DIST += docs/assignment.md docs/contextual.md
