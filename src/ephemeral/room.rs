//! Room for counters in memory: how they are named, and which go when there are too many.

use std::collections::HashMap;

use openssl::sha::sha256;

/// The most keys counted at once: about 10 MiB.
pub(super) const MAX_KEYS: usize = 100_000;

/// A digest: what is counted may be as long as a request, and is kept for a while.
pub(super) type Key = [u8; 32];

pub(super) fn digest(key: &str) -> Key {
    sha256(key.as_bytes())
}

/// Makes room for one more key, if there is none. What is over is forgotten first, and then those that count least until half the room is
/// free. A flood of new keys so washes away itself, and not the few that somebody has been at for long.
pub(super) fn make<C>(
    counters: &mut HashMap<Key, C>,
    key: &Key,
    is_over: impl Fn(&C) -> bool,
    count: impl Fn(&C) -> u32,
) {
    if counters.len() < MAX_KEYS || counters.contains_key(key) {
        return;
    }
    counters.retain(|_, counter| !is_over(counter));
    let Some(surplus) = counters.len().checked_sub(MAX_KEYS / 2) else { return };
    let mut counts: Vec<_> = counters.values().map(&count).collect();
    let Some(last) = surplus.checked_sub(1).filter(|last| *last < counts.len()) else { return };
    let (_, most, _) = counts.select_nth_unstable(last);
    let most = *most;
    let mut surplus = surplus;
    counters.retain(|_, counter| {
        let goes = count(counter) <= most && surplus > 0;
        surplus -= usize::from(goes);
        !goes
    });
}
