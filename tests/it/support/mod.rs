//! What tests share: other people's servers, started and ended with the test that needs them, and what is said often.

pub mod ansible;
pub mod couch;
pub mod desired;
pub mod keys;
pub mod kill;
pub mod moto;
pub mod postgres;
pub mod smtp;
pub mod sshd;

/// Whether `RECONCILE_REQUIRE` (a comma list) forbids to skip tests that need `tool`.
pub fn required(tool: &str) -> bool {
    std::env::var("RECONCILE_REQUIRE").is_ok_and(|list| list.split(',').any(|word| word.trim() == tool))
}

/// Says visibly that a test is skipped; fails where that is forbidden.
#[allow(clippy::print_stderr)]
pub fn skip(tool: &str, why: &str) {
    assert!(!required(tool), "{tool} is required here: {why}");
    eprintln!("skipped: {why}");
}

/// Waits for what uses files and sockets.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}
