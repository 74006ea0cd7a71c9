//! Where the grids lie: side by side in the sand, nine in a row, each with borders that are not quite straight.

use shared::outline::{Micro, Outline};

/// The south-west corner of the first grid, in millionths of a degree: somewhere where nobody lives.
const CORNER: Micro = [104_580_000, 37_620_000];
/// From one grid to the next, east and north.
const APART: Micro = [11_000, 9_000];
/// How far things lie from a grid's corner at most.
pub const WITHIN: i32 = 8_000;
/// How many grids lie in a row.
const ROW: usize = 9;

/// The south-west corner of the `at`-th grid.
pub fn corner(at: usize) -> Micro {
    let cell = |count: usize| i32::try_from(count).unwrap_or_default();
    [CORNER[0] + cell(at % ROW) * APART[0], CORNER[1] + cell(at / ROW) * APART[1]]
}

/// The outline of the `at`-th grid.
pub fn of_grid(at: usize) -> Outline {
    let [west, south] = corner(at);
    let (east, north) = (west + WITHIN, south + WITHIN);
    let bend = |nth: i32| 150 + (i32::try_from(at).unwrap_or_default() * 37 + nth * 53) % 250;
    let (across, up) = ((west + east) / 2, (south + north) / 2);
    Outline(vec![vec![
        [west - bend(0), south - bend(1)],
        [across, south - bend(2)],
        [east + bend(3), south - bend(4)],
        [east + bend(5), up],
        [east + bend(6), north + bend(7)],
        [across, north + bend(8)],
        [west - bend(9), north + bend(10)],
        [west - bend(11), up],
    ]])
}

/// The outline of a town of so many grids.
pub fn of_town(grids: usize) -> Outline {
    let last = corner(grids.saturating_sub(1));
    let (west, south) = (CORNER[0] - 3_000, CORNER[1] - 3_000);
    let columns = i32::try_from(grids.min(ROW)).unwrap_or_default();
    let (east, north) = (CORNER[0] + columns * APART[0], last[1] + APART[1] + 2_000);
    Outline(vec![vec![[west, south], [east, south], [east, north], [west, north]]])
}
