//! Every integration test, one binary: what links once builds once.

mod settings;

mod contract;

mod jobs;

mod plan;

mod project;

mod support;

mod story;
