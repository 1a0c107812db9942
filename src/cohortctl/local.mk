# src/cohortctl
