//! Prefix hashing: what a prompt begins with, as a row of hashes: two prompts share a beginning as far as their rows
//! agree. Keeps no text, and is the same on every replica and after every start.
//!
//! The text is cut into blocks, and the hash of a block covers all that stands before it. A conversation that grows
//! keeps its row and adds to it.
//! The hash is not a cryptographic one: who makes two prompts collide sends their own request to a colder cache.

use std::sync::Arc;

use super::random::mix;

/// About 250 tokens. Smaller blocks cost memory for each conversation; larger ones miss short system prompts.
pub const BLOCK_BYTES: usize = 1 << 10;
/// Text beyond the first MiB adds nothing to the row: it would only choose between peers that share that MiB.
const BLOCKS_MAX: usize = 1 << 10;

/// The beginning of a prompt. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    anchor: u64,
    blocks: Arc<[u64]>,
}

impl Fingerprint {
    /// The same for every turn of a conversation, and different for another one.
    pub fn anchor(&self) -> u64 {
        self.anchor
    }

    /// One hash for each whole block.
    pub fn blocks(&self) -> &[u64] {
        &self.blocks
    }
}

/// Reads the parts of a prompt in the order in which the model will: system prompt, tools, messages.
///
/// ```
/// use toolgate::balance::prefix::Hasher;
///
/// let mut hasher = Hasher::default();
/// hasher.part(b"You are a helpful assistant.");
/// hasher.part(br#"[{"type":"function","function":{"name":"get_weather"}}]"#);
/// hasher.part(b"What is the weather in Rome?");
/// hasher.anchor();
/// hasher.part(b"It is sunny.");
/// let fingerprint = hasher.finish();
/// # assert!(fingerprint.blocks().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Hasher {
    state: u64,
    /// Bytes of the current block that are still to come.
    missing: usize,
    anchor: Option<u64>,
    blocks: Vec<u64>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { state: 0, missing: BLOCK_BYTES, anchor: None, blocks: Vec::new() }
    }
}

impl Hasher {
    /// One whole part; where it ends counts, so that `ab`, `c` is not `a`, `bc`.
    pub fn part(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (block, later) = rest.split_at(rest.len().min(self.missing));
            self.bytes(block);
            self.missing -= block.len();
            if self.missing == 0 {
                self.missing = BLOCK_BYTES;
                if self.blocks.len() < BLOCKS_MAX {
                    self.blocks.push(mix(self.state));
                }
            }
            rest = later;
        }
        self.word(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// What has been read so far tells this conversation from others: call it after the first message of the user.
    /// Without it that is all that is read.
    pub fn anchor(&mut self) {
        self.anchor.get_or_insert(mix(self.state));
    }

    /// The fingerprint of all parts. What is left of a block that is not whole tells nothing.
    pub fn finish(mut self) -> Fingerprint {
        self.anchor();
        Fingerprint { anchor: self.anchor.unwrap_or_default(), blocks: self.blocks.into() }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        self.word(tail.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }

    fn word(&mut self, word: u64) {
        /// Odd, with bits all over: the first digits of the square roots of 2 and 3 (FIPS 180-4, 5.3.5).
        const FACTORS: [u64; 2] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b];
        let [first, second] = FACTORS;
        self.state = (self.state ^ word.wrapping_mul(first)).rotate_left(29).wrapping_mul(second).wrapping_add(first);
    }
}

/// The key of a session that its client has named.
pub fn key(name: &[u8]) -> u64 {
    let mut hasher = Hasher::default();
    hasher.part(name);
    hasher.finish().anchor()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(parts: &[&[u8]]) -> Fingerprint {
        let mut hasher = Hasher::default();
        for (at, part) in parts.iter().enumerate() {
            hasher.part(part);
            if at == 1 {
                hasher.anchor();
            }
        }
        hasher.finish()
    }

    #[test]
    fn rows_agree_as_far_as_the_texts_do() {
        let system = [b's'; 3 * BLOCK_BYTES + 7];
        let long = [b'x'; 2 * BLOCK_BYTES];
        let short = fingerprint(&[&system, b"hello"]);
        let grown = fingerprint(&[&system, b"hello", &long]);
        let other = fingerprint(&[&system, b"hallo", &long]);
        assert_eq!((short.blocks().len(), grown.blocks().len()), (3, 5));
        assert!(grown.blocks().starts_with(short.blocks()));
        assert_eq!(short.anchor(), grown.anchor());
        assert_ne!(other.anchor(), grown.anchor());
        let shared = other.blocks().iter().zip(grown.blocks()).take_while(|(a, b)| a == b).count();
        assert_eq!(shared, 3);
    }

    #[test]
    fn every_byte_and_every_cut_counts() {
        let base = vec![0; BLOCK_BYTES];
        for at in 0..BLOCK_BYTES {
            let mut changed = base.clone();
            changed[at] = 1;
            assert_ne!(fingerprint(&[&base]).blocks(), fingerprint(&[&changed]).blocks(), "byte {at}");
        }
        assert_ne!(fingerprint(&[b"ab", b"c"]).anchor(), fingerprint(&[b"a", b"bc"]).anchor());
        assert_ne!(fingerprint(&[b"a"]).anchor(), fingerprint(&[b"a\0"]).anchor());
        assert_ne!(fingerprint(&[b"", b"a"]).anchor(), fingerprint(&[b"a", b""]).anchor());
    }

    #[test]
    fn the_hash_is_the_same_everywhere_and_always() {
        assert_eq!(key(b"session 1"), 3_535_038_672_756_640_358);
    }

    #[test]
    fn a_row_is_bounded() {
        let huge = vec![b'x'; (BLOCKS_MAX + 3) * BLOCK_BYTES];
        assert_eq!(fingerprint(&[&huge]).blocks().len(), BLOCKS_MAX);
    }
}
