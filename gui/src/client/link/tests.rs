//! How a node that says nothing is told, under a clock that does not run.
