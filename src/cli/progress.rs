//! What is under way, while it is: a live line for each host on a terminal, plain lines otherwise. All of it goes to
//! standard error; results are somebody else's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::rc::Rc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::plan::Change;
use crate::report::text::one_line;
use crate::vocab::HostName;
use crate::world::{HostStep, Watcher};

/// More live lines than that are no longer read, and scroll.
const MOST_LINES: usize = 16;

/// The lines of what is under way.
#[derive(Clone)]
pub struct Progress {
    /// `None` where there is no terminal.
    lines: Option<MultiProgress>,
    /// By the host, or the change in the cloud.
    under_way: Rc<RefCell<BTreeMap<String, ProgressBar>>>,
}

impl Progress {
    pub fn new() -> Self {
        let lines = std::io::stderr().is_terminal().then(MultiProgress::new);
        Progress { lines, under_way: Rc::default() }
    }

    /// Tells of machines that are looked at.
    pub fn watcher(&self) -> Watcher {
        let progress = self.clone();
        Rc::new(move |host: &HostName, step: HostStep<'_>| match step {
            HostStep::Begun => progress.show(host.as_str(), "is looked at"),
            HostStep::Seen => progress.hide(host.as_str(), "seen"),
            HostStep::Unseen(why) => progress.hide(host.as_str(), &format!("not seen: {}", one_line(why))),
        })
    }

    /// A change is tried now.
    pub fn begin(&self, change: &Change) {
        let what = format!("{} {} {}", change.action.name(), change.id.kind(), change.id.name());
        // Without a terminal its end is told, as a result.
        if self.lines.is_some() {
            self.show(&place(change), &what);
        }
    }

    /// It has ended, one way or the other.
    pub fn end(&self, change: &Change) {
        if self.lines.is_some() {
            self.hide(&place(change), "");
        }
    }

    /// Writes something else in between.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.lines {
            Some(lines) => lines.suspend(write),
            None => write(),
        }
    }

    fn show(&self, place: &str, what: &str) {
        let Some(lines) = &self.lines else { return };
        let mut under_way = self.under_way.borrow_mut();
        if under_way.len() >= MOST_LINES && !under_way.contains_key(place) {
            return;
        }
        let bar = under_way.entry(place.to_owned()).or_insert_with(|| {
            // Drawn once it says something.
            let mut bar =
                ProgressBar::new_spinner().with_prefix(place.to_owned()).with_message(what.to_owned());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg} {elapsed}") {
                bar = bar.with_style(style);
            }
            let bar = lines.add(bar);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(what.to_owned());
    }

    fn hide(&self, place: &str, said: &str) {
        match &self.lines {
            Some(_) => {
                if let Some(bar) = self.under_way.borrow_mut().remove(place) {
                    bar.finish_and_clear();
                }
            }
            // A reader that went away misses a line of progress and nothing else.
            None => _ = writeln!(std::io::stderr(), "{place}  {said}"),
        }
    }
}

/// Where a change happens: its host, or itself.
fn place(change: &Change) -> String {
    change.id.host().map_or_else(|| change.id.to_string(), ToString::to_string)
}
