//! The tree (RFC 6962 §2.1), of which only its right edge is held: what it takes to append, and to know the root.

use std::collections::HashMap;

use tlog_tiles::{
    Error, Hash, HashReader, split_stored_hash_index, stored_hash_index, stored_hashes_for_record_hash, sub_tree_index,
    tree_hash,
};

/// How many bytes a hash has.
const HASH_BYTES: usize = 32;
/// After so many leaves what is no longer at the edge is let go.
const TIDY_AFTER: u64 = 1_024;

/// A hash that the tree was not given, though it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash of the tree is missing")]
pub struct MissingHash;

/// The right edge of a tree.
#[derive(Debug, Default)]
pub struct Tree {
    size: u64,
    edge: Edge,
}

#[derive(Debug, Default)]
struct Edge(HashMap<u64, Hash>);

impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let found = indexes.iter().map(|index| self.0.get(index).copied().ok_or(Error::IndexesNotInTree));
        found.collect()
    }
}

/// The leaves that completed the hashes at the edge of a tree of this size: all that it takes to go on from there.
pub fn leaves_at_edge(size: u64) -> Vec<u64> {
    sub_tree_index(0, size, Vec::new()).into_iter().map(completing_leaf).collect()
}

/// The leaf that completes the hash with this index: the last one under it.
fn completing_leaf(index: u64) -> u64 {
    let (level, number) = split_stored_hash_index(index);
    ((number + 1) << level) - 1
}

impl Tree {
    /// Goes on from a tree of this size, of which these leaves and the hashes that they completed are known.
    pub fn resume(size: u64, known: impl IntoIterator<Item = (u64, Vec<Hash>)>) -> Self {
        let mut tree = Self { size, edge: Edge::default() };
        for (leaf, hashes) in known {
            tree.know(leaf, &hashes);
        }
        tree
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the next leaf completes if its own hash is the first of these; `None` if the edge is not known.
    pub fn completed_by(&self, hashes: &[Hash]) -> Option<Vec<Hash>> {
        stored_hashes_for_record_hash(self.size, *hashes.first()?, &self.edge).ok()
    }

    /// Appends a leaf: all hashes that it completes, its own first.
    ///
    /// # Errors
    /// When the tree was resumed without all of its edge.
    pub fn append(&mut self, hash: Hash) -> Result<Vec<Hash>, MissingHash> {
        let completed = self.completed_by(&[hash]).ok_or(MissingHash)?;
        self.know(self.size, &completed);
        self.size += 1;
        self.tidy();
        Ok(completed)
    }

    /// Lets go what is not at the edge, now and then.
    fn tidy(&mut self) {
        if self.size.is_multiple_of(TIDY_AFTER) {
            let edge = sub_tree_index(0, self.size, Vec::new());
            self.edge.0.retain(|index, _| edge.contains(index));
        }
    }

    /// Appends a leaf that is known to have completed these hashes, if any are known. Without them the root is not known either,
    /// until a later leaf completes what stands above it.
    pub fn append_known(&mut self, completed: &[Hash]) {
        self.know(self.size, completed);
        self.size += 1;
        self.tidy();
    }

    /// The root hash.
    ///
    /// # Errors
    /// When the tree was resumed without all of its edge.
    pub fn root(&self) -> Result<Hash, MissingHash> {
        tree_hash(self.size, &self.edge).map_err(|_| MissingHash)
    }

    fn know(&mut self, leaf: u64, completed: &[Hash]) {
        for (level, hash) in (0_u8..).zip(completed) {
            self.edge.0.insert(stored_hash_index(level, leaf >> level), *hash);
        }
    }
}

/// Hashes as they are stored: one after the other.
pub fn to_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The same, read. `None` for what is no row of hashes.
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (chunks, rest) = bytes.as_chunks::<HASH_BYTES>();
    (rest.is_empty() && !chunks.is_empty()).then(|| chunks.iter().copied().map(Hash).collect())
}

#[cfg(test)]
mod tests {
    use tlog_tiles::{EMPTY_HASH, node_hash, record_hash};

    use super::*;

    fn leaf(number: u64) -> Hash {
        record_hash(&number.to_be_bytes())
    }

    /// RFC 6962 §2.1, as it is written there.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_HASH,
            [leaf] => *leaf,
            many => {
                let (left, right) = many.split_at(1 << (many.len() - 1).ilog2());
                node_hash(root_by_definition(left), root_by_definition(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_standard_at_every_size() {
        let (mut tree, mut leaves) = (Tree::default(), Vec::new());
        assert_eq!(tree.root(), Ok(EMPTY_HASH));
        for number in 0..1_100 {
            leaves.push(leaf(number));
            tree.append(leaf(number)).unwrap();
            if !(70..=1_020).contains(&number) {
                assert_eq!(tree.root().unwrap(), root_by_definition(&leaves), "{number}");
            }
        }
        assert!(tree.edge.0.len() < 300, "what is not at the edge is let go");
    }

    #[test]
    fn it_goes_on_from_its_edge_alone() {
        for size in 0..130_u64 {
            let (mut whole, mut rows) = (Tree::default(), Vec::new());
            for number in 0..size {
                rows.push(whole.append(leaf(number)).unwrap());
            }
            let known = leaves_at_edge(size).into_iter().map(|at| (at, rows[usize::try_from(at).unwrap()].clone()));
            let mut resumed = Tree::resume(size, known);
            assert_eq!(resumed.root(), whole.root(), "{size}");
            for number in size..size + 9 {
                assert_eq!(resumed.append(leaf(number)), whole.append(leaf(number)));
            }
            assert_eq!(resumed.root(), whole.root(), "{size}");
        }
    }

    #[test]
    fn without_its_edge_it_says_so() {
        let mut tree = Tree::resume(5, []);
        assert_eq!((tree.root(), tree.append(leaf(5)).map(drop)), (Err(MissingHash), Err(MissingHash)));
    }

    #[test]
    fn hashes_are_stored_in_a_row() {
        let hashes = vec![leaf(1), leaf(2)];
        assert_eq!(from_bytes(&to_bytes(&hashes)), Some(hashes));
        assert_eq!((from_bytes(&[]), from_bytes(&[0; 31]), from_bytes(&[0; 33])), (None, None, None));
    }
}
