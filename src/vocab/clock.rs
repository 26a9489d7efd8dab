//! The time as something handed over: only the command line makes a clock (the system's or the sandbox's), so
//! that decisions, jobs and tests never ask the machine.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// A source of the present instant.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that answers with `now` whenever it is asked.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    /// A clock that stands still: for tests and for jobs run "at" a time.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Clock::new(move || at)
    }

    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
