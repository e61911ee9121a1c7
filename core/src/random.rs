//! Drawing without a preference. Where the random bytes come from is the caller's: `random` fills what it is given.

use std::convert::Infallible;

/// `count` of `items` (at least as many) in random order: every selection in every order is equally likely.
pub(crate) fn draw<T: Clone, E>(
    items: &[T],
    count: usize,
    mut random: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Vec<T>, E> {
    let mut items = items.to_vec();
    for i in 0..count {
        let left = items.len() - i;
        items.swap(i, i + below(left as u64, &mut random)? as usize);
    }
    items.truncate(count);
    Ok(items)
}

/// A uniform number below `bound` (at least 1): values of the incomplete last interval are refused.
pub(crate) fn below<E>(bound: u64, random: &mut impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<u64, E> {
    let whole_intervals = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = [0; 8];
        random(&mut bytes)?;
        let value = u64::from_le_bytes(bytes);
        if value < whole_intervals {
            return Ok(value % bound);
        }
    }
}

/// Random numbers that can be repeated (xorshift64*): for comparisons and for tests, never for what is shown.
pub(crate) fn repeatable(mut state: u64) -> impl FnMut(&mut [u8]) -> Result<(), Infallible> {
    move |bytes| {
        for chunk in bytes.chunks_mut(8) {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let value = state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
            chunk.copy_from_slice(&value[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_would_be_unfair_are_refused() {
        // 2^64 - 1 is divisible by 3, so that of all values only the last one is left over.
        let mut values = vec![u64::MAX, 5];
        let mut asked = 0;
        let drawn = below(3, &mut |bytes: &mut [u8]| -> Result<(), Infallible> {
            asked += 1;
            bytes.copy_from_slice(&values.remove(0).to_le_bytes());
            Ok(())
        });
        assert_eq!((drawn, asked), (Ok(2), 2));
    }
}
