//! Reading the job file.
