//! What the measurements share: rounds, medians, and goals beside the figures that they are held to.

use std::process::ExitCode;

/// `RECONCILE_BENCH_ROUNDS`, or a default.
pub fn rounds(default: u32) -> u32 {
    std::env::var("RECONCILE_BENCH_ROUNDS").map_or(default, |text| text.parse().expect("a number of rounds"))
}

/// The middle one; of an even number the greater of the two.
pub fn median<T: Ord + Copy>(mut figures: Vec<T>) -> T {
    figures.sort();
    figures[figures.len() / 2]
}

/// Whether every goal so far is met.
#[derive(Default)]
pub struct Goals {
    missed: Vec<String>,
}

impl Goals {
    #[allow(dead_code, reason = "not every measurement has such a goal")]
    pub fn at_most(&mut self, what: &str, figure: f64, goal: f64) {
        self.judge(what, figure, "at most", goal, figure <= goal);
    }

    #[allow(dead_code, reason = "not every measurement has such a goal")]
    pub fn at_least(&mut self, what: &str, figure: f64, goal: f64) {
        self.judge(what, figure, "at least", goal, figure >= goal);
    }

    fn judge(&mut self, what: &str, figure: f64, bound: &str, goal: f64, met: bool) {
        println!("{} {what}: {figure:.2} ({bound} {goal})", if met { "ok    " } else { "MISSED" });
        if !met {
            self.missed.push(what.to_owned());
        }
    }

    /// Success; with `RECONCILE_BENCH_STRICT=1` only where no goal was missed.
    pub fn exit(self) -> ExitCode {
        let strict = std::env::var("RECONCILE_BENCH_STRICT").is_ok_and(|value| value == "1");
        if strict && !self.missed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
