//! `reconcile lock`: who holds the lock of applies, and taking it from somebody who is gone.

use clap::{Args, Subcommand};

use super::apply::agree;
use super::environment::{connect, desired, load, wait};
use super::locked::{spots, standing};
use super::place::Place;
use super::{Exit, Failure, Format, Global, Output};
use crate::report::lock::{PlaceView, json, text};
use crate::report::text::counted;
use crate::state::Told;
use crate::vocab::Environment;
use crate::world::LockLook;

#[derive(Debug, Args)]
pub struct LockArgs {
    #[command(subcommand)]
    command: LockCommand,
}

#[derive(Debug, Subcommand)]
enum LockCommand {
    /// Tell who holds the lock of applies, where and since when
    Show,
    /// Remove the lock of an apply that is gone; two at once would disturb each other
    Break(BreakArgs),
}

#[derive(Debug, Args)]
struct BreakArgs {
    /// Do not ask; needed where there is no terminal
    #[arg(long, visible_alias = "yes")]
    auto_approve: bool,
}

impl LockArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("lock", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        let settings = load(global)?;
        out.warnings(&settings.problems, &global.sources().name());
        let desired = desired(&settings);
        wait(async {
            let world = connect(global, &place, &settings).await;
            let spots = spots(&world, &desired, &desired.hosts).await;
            let looks = Box::pin(world.look_at_lock(&spots)).await;
            let environment = &world.environment;
            let mut views: Vec<PlaceView<'_>> = looks.iter().map(view).collect();
            let LockCommand::Break(args) = &self.command else {
                tell(environment, &views, &place, out);
                return Ok(exit(&views));
            };
            let is_held = |look: &&LockLook| matches!(&look.told, Ok(told) if *told != Told::Free);
            let held: Vec<&LockLook> = looks.iter().filter(is_held).collect();
            if !held.is_empty() && !args.auto_approve {
                // Nobody says yes to what they have not seen; standard output is the answer's.
                out.notice(&format!("{}{}", place.banner(), text(environment, &views)));
                let count = counted(held.len(), "place");
                agree(&format!("Remove the lock of environment {environment} from {count}?"), out)?;
            }
            let mut removed = Vec::new();
            for look in held {
                removed.push((&look.place, Box::pin(world.break_lock(look)).await));
            }
            for view in &mut views {
                let of_it = removed.iter().find(|(place, _)| *place == view.place);
                view.removed = of_it.map(|(_, removed)| removed.as_ref().copied().map_err(String::as_str));
            }
            tell(environment, &views, &place, out);
            Ok(exit(&views))
        })?
    }
}

fn view(look: &LockLook) -> PlaceView<'_> {
    PlaceView {
        place: &look.place,
        told: look.told.as_ref().map_err(String::as_str),
        standing: match &look.told {
            Ok(Told::Held(holder, _)) => Some(standing(holder)),
            _ => None,
        },
        removed: None,
    }
}

fn tell(environment: &Environment, views: &[PlaceView<'_>], place: &Place, out: &mut Output) {
    match out.format() {
        Format::Json => out.json(&json(environment, views)),
        _ => out.result(&format!("{}{}", place.banner(), text(environment, views))),
    }
}

/// Something unseen, or something that could not be removed.
fn exit(views: &[PlaceView<'_>]) -> Exit {
    let is_wanting = |view: &PlaceView<'_>| view.told.is_err() || matches!(view.removed, Some(Err(_)));
    if views.iter().any(is_wanting) { Exit::Failed } else { Exit::Ok }
}
