//! The room that a volume must keep while a backup grows on it: who else writes there, PostgreSQL above all, stops for good
//! where a disk is full. So a backup is broken off before that, and not by it.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::stop::Stop;
use crate::vocab::words::bytes;

/// How often it is looked at where the backup itself does not grow: others write too.
const PAUSE: Duration = Duration::from_secs(1);
/// After how many bytes of the backup it is looked at again: half of what is left above the floor, within these.
const STEPS: [u64; 2] = [64 << 10, 16 << 20];

/// The least that stays free, and the most that is asked for: some of PostgreSQL's WAL.
const LEAST: u64 = 256 << 20;
const MOST: u64 = 4 << 30;

/// The room on a volume, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What whoever runs this may still write.
    pub free: u64,
    pub total: u64,
}

impl Space {
    /// What must stay free: a hundredth of the volume, 256 MiB at least and 4 GiB at most; of a very small one an eighth.
    pub fn floor(self) -> u64 {
        (self.total / 100).clamp(LEAST, MOST).min(self.total / 8)
    }

    /// Whether there is less than that.
    pub fn is_short(self) -> bool {
        self.free < self.floor()
    }

    /// How much may be written before it is looked at again.
    fn step(self) -> u64 {
        (self.free.saturating_sub(self.floor()) / 2).clamp(STEPS[0], STEPS[1])
    }
}

/// How the room on the volume of a path is found out; `None` where nobody says.
#[derive(Clone)]
pub struct Room(Arc<Look>);

type Look = dyn Fn(&Path) -> Option<Space> + Send + Sync;

impl Room {
    pub fn new(look: impl Fn(&Path) -> Option<Space> + Send + Sync + 'static) -> Self {
        Room(Arc::new(look))
    }

    pub fn of(&self, place: &Path) -> Option<Space> {
        (self.0)(place)
    }

    fn shortage(&self, place: &Path) -> Option<Shortage> {
        let space = self.of(place).filter(|space| space.is_short())?;
        Some(Shortage { place: place.to_owned(), space })
    }

    /// Waits until there is too little.
    pub async fn short(&self, place: &Path) -> Shortage {
        loop {
            if let Some(shortage) = self.shortage(place) {
                return shortage;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Says stop once there is too little, and why.
    pub async fn guard(&self, place: &Path, stop: &Stop) -> Shortage {
        let shortage = self.short(place).await;
        stop.say(shortage.to_string());
        shortage
    }

    /// A file that stops growing once there is too little, or bytes for one that end with an error.
    pub fn watch<T>(&self, inner: T, place: &Path) -> Watched<T> {
        Watched { inner, room: self.clone(), place: place.to_owned(), left: 0 }
    }
}

impl Default for Room {
    /// As the file system says (statvfs(3)).
    fn default() -> Self {
        Room::new(|place| {
            let room = nix::sys::statvfs::statvfs(place).ok()?;
            // Counts are as wide as the platform's; a product that overflows is room enough.
            #[allow(clippy::useless_conversion)]
            let bytes = |blocks: u64| blocks.saturating_mul(u64::from(room.fragment_size()));
            #[allow(clippy::useless_conversion)]
            let (free, total) = (u64::from(room.blocks_available()), u64::from(room.blocks()));
            Some(Space { free: bytes(free), total: bytes(total) })
        })
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}

/// Too little room is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    place: PathBuf,
    space: Space,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, floor) = (bytes(self.space.free), bytes(self.space.floor()));
        write!(
            f,
            "{} has {free} free, and {floor} must stay for whoever else writes there",
            self.place.display()
        )
    }
}

impl std::error::Error for Shortage {}

/// A file whose volume is watched while it grows, or bytes that are unpacked to it.
pub struct Watched<T> {
    inner: T,
    room: Room,
    place: PathBuf,
    /// How many bytes until it is looked at again.
    left: u64,
}

impl<T> Watched<T> {
    /// How many of so many bytes there is room for, as far as anybody looked.
    fn most(&mut self, length: usize) -> io::Result<usize> {
        if self.left == 0 {
            let space = self.room.of(&self.place);
            if let Some(space) = space.filter(|space| space.is_short()) {
                return Err(io::Error::other(Shortage { place: self.place.clone(), space }));
            }
            self.left = space.map_or(STEPS[1], Space::step);
        }
        Ok(usize::try_from(self.left).unwrap_or(usize::MAX).min(length))
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.most(buffer.len())?;
        let read = self.inner.read(&mut buffer[..most])?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.most(bytes.len())?;
        let written = self.inner.write(&bytes[..most])?;
        self.left = self.left.saturating_sub(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_floor_is_a_hundredth_within_bounds() {
        let floor = |total: u64| Space { free: 0, total }.floor();
        assert_eq!(floor(100 << 30), 1 << 30);
        assert_eq!(floor(10 << 30), 256 << 20, "256 MiB at least");
        assert_eq!(floor(100 << 40), 4 << 30, "4 GiB at most");
        assert_eq!(floor(1 << 30), 128 << 20, "an eighth of a small one");
        assert!(Space { free: (256 << 20) - 1, total: 10 << 30 }.is_short());
        assert!(!Space { free: 256 << 20, total: 10 << 30 }.is_short());
    }

    #[test]
    fn what_grows_stops_before_the_disk_is_full() {
        let (written, total) = (Arc::new(AtomicU64::new(0)), 10u64 << 30);
        let counter = Arc::clone(&written);
        // A volume that only this fills.
        let room =
            Room::new(move |_| Some(Space { free: (400 << 20) - counter.load(Ordering::SeqCst), total }));
        struct Counted(Arc<AtomicU64>);
        impl Write for Counted {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut file = room.watch(Counted(Arc::clone(&written)), Path::new("/backups"));
        let block = vec![0; 3 << 20];
        let error = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        let shortage = error.get_ref().and_then(|why| why.downcast_ref::<Shortage>()).expect("a shortage");
        assert!(shortage.space.free < 256 << 20 && shortage.space.free >= (256 << 20) - STEPS[0]);
        assert!(shortage.to_string().contains("256 MiB must stay"), "{shortage}");
    }

    #[tokio::test]
    async fn others_who_fill_it_are_noticed_too() {
        let (stop, looks) = (Stop::default(), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&looks);
        let room = Room::new(move |_| {
            let free = if counter.fetch_add(1, Ordering::SeqCst) == 0 { 1 << 40 } else { 5 };
            Some(Space { free, total: 1 << 40 })
        });
        room.guard(Path::new("/backups"), &stop).await;
        assert!(stop.why().is_some_and(|why| why.starts_with("/backups has 5 B free")), "{:?}", stop.why());
        assert!(Room::default().of(Path::new("/")).is_some_and(|space| space.total >= space.free));
    }
}
