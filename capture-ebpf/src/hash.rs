//! A cheap hash that tells whether a name has changed since the last statement.

/// Bytes of a name that one block holds.
pub(crate) const BLOCK: usize = 64;

/// Starting value of a chain of blocks.
pub(crate) const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Odd multiplier from the same golden-ratio family as [`SEED`].
const MULTIPLIER: u64 = 0xff51_afd7_ed55_8ccd;

/// Mixes one block of eight words into `state`.
#[inline(always)]
pub(crate) fn mix(mut state: u64, block: &[u64; BLOCK / 8]) -> u64 {
    for word in block {
        state = (state ^ *word).wrapping_mul(MULTIPLIER);
        state ^= state >> 29;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_matters() {
        let zero = mix(SEED, &[0; 8]);
        for word in 0..8 {
            for bit in 0..64 {
                let mut block = [0; 8];
                block[word] = 1 << bit;
                assert_ne!(zero, mix(SEED, &block), "word {word} bit {bit}");
            }
        }
    }

    #[test]
    fn order_matters() {
        assert_ne!(
            mix(SEED, &[1, 2, 0, 0, 0, 0, 0, 0]),
            mix(SEED, &[2, 1, 0, 0, 0, 0, 0, 0])
        );
    }
}
