//! Four hundred days of one host to which everything happens: the real sequence, expiry, checks and letters on a clock
//! that the test sets, over a real SDK. Every day the newest proven backup is there, no more is kept than was promised,
//! and whoever is to be told was told, once.

mod day;
mod judge;
mod source;
mod weather;
mod world;

use self::world::world;

const DAYS: i64 = 400;

async fn live(seed: u64) {
    let mut world = world(seed).await;
    for day in 0..DAYS {
        world.day(day).await;
    }
    assert!(world.incidents > 20 && world.failures > 20, "{} {}", world.incidents, world.failures);
}

#[tokio::test]
async fn four_hundred_days_of_one_host() {
    live(1).await;
}

#[tokio::test]
async fn four_hundred_days_of_another_host() {
    live(2).await;
}

#[tokio::test]
async fn four_hundred_days_of_a_third_host() {
    live(3).await;
}
