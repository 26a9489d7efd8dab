//! What tests share: other people's servers, started and ended with the test that needs them.

pub mod moto;
