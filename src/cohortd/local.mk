# src/cohortd
