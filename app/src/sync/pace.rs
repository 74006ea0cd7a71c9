//! How large a piece of a photo the line carries.

use std::time::Duration;

/// The smallest piece. Below it the headers cost more than a break does.
const LEAST: usize = 16 * 1024;
/// The largest piece: on a good line one round trip more or less is no matter.
const MOST: usize = 1024 * 1024;
/// The first piece on a line that nobody knows yet.
const FIRST: usize = 32 * 1024;
/// How long a piece should take: text that is saved meanwhile waits for no more than that.
const WHILE: Duration = Duration::from_secs(4);

/// Grows while pieces come through quickly, shrinks with slow ones and with every break.
#[derive(Debug, Clone)]
pub struct Pace {
    piece: usize,
    moved: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { piece: FIRST, moved: 0 }
    }
}

impl Pace {
    /// Bytes of the next piece.
    pub fn piece(&self) -> usize {
        self.piece
    }

    /// Bytes that came through since the start: more of them is progress, however often the line broke.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// So many bytes came through, in so long.
    pub fn came_through(&mut self, bytes: usize, took: Duration) {
        self.moved = self.moved.saturating_add(bytes as u64);
        let millis = took.as_millis().max(1);
        let wanted = (bytes as u128).saturating_mul(WHILE.as_millis()) / millis;
        let wanted = usize::try_from(wanted).unwrap_or(MOST);
        // A last piece that was small says little about a larger one.
        self.piece = wanted.clamp(self.piece / 2, self.piece.saturating_mul(2)).clamp(LEAST, MOST);
    }

    /// So many bytes turned out to have come through before a break.
    pub fn found(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes as u64);
    }

    /// The line broke.
    pub fn broke(&mut self) {
        self.piece = (self.piece / 2).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_the_line() {
        let mut pace = Pace::default();
        // A good line: 5 MB/s.
        for _ in 0..8 {
            let piece = pace.piece();
            pace.came_through(piece, Duration::from_millis(piece as u64 / 5_000));
        }
        assert_eq!(pace.piece(), MOST);
        // Into a valley: 2.5 kB/s.
        for _ in 0..8 {
            let piece = pace.piece();
            pace.came_through(piece, Duration::from_millis(piece as u64 * 10 / 25));
        }
        assert_eq!(pace.piece(), LEAST);
        // 10 kB/s: a piece takes about four seconds.
        for _ in 0..8 {
            let piece = pace.piece();
            pace.came_through(piece, Duration::from_millis(piece as u64 / 10));
        }
        assert!((39_000..41_000).contains(&pace.piece()), "{}", pace.piece());
        for _ in 0..8 {
            pace.broke();
        }
        assert_eq!(pace.piece(), LEAST);
        // A clock that stands still is no reason to divide by nothing.
        pace.came_through(1, Duration::ZERO);
        assert!(pace.piece() <= 2 * LEAST);
    }
}
