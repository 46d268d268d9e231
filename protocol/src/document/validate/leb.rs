//! A reader of bytes and of canonical LEB128 numbers. It never allocates and never panics.
//!
//! Canonical: the shortest form only, and no bits beyond 64. (DOC-4.)

use super::fault::ChangeFault;

/// What is left of the bytes that are read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ChangeFault> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(ChangeFault::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ChangeFault> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(ChangeFault::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ChangeFault> {
        let (head, tail) = self.0.split_first().ok_or(ChangeFault::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    /// An unsigned number.
    pub(crate) fn unsigned(&mut self) -> Result<u64, ChangeFault> {
        let mut value = 0u64;
        for index in 0..10u32 {
            let byte = self.byte()?;
            // The tenth byte holds bit 63 alone.
            if index == 9 && byte > 1 {
                return Err(ChangeFault::NotCanonical);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                // A last byte of zero says nothing, unless it is the only one.
                let padded = byte == 0 && index > 0;
                return if padded { Err(ChangeFault::NotCanonical) } else { Ok(value) };
            }
        }
        Err(ChangeFault::NotCanonical)
    }

    /// A signed number.
    pub(crate) fn signed(&mut self) -> Result<i64, ChangeFault> {
        let mut value = 0i64;
        let mut before = 0u8;
        for index in 0..10u32 {
            let byte = self.byte()?;
            // The tenth byte holds the sign alone.
            if index == 9 && byte != 0 && byte != 0x7f {
                return Err(ChangeFault::NotCanonical);
            }
            value |= i64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0;
                if negative && index < 9 {
                    value |= -1i64 << (7 * (index + 1));
                }
                // A last byte that only repeats the sign of the one before says nothing.
                let padded = index > 0
                    && ((byte == 0 && before & 0x40 == 0) || (byte == 0x7f && before & 0x40 != 0));
                return if padded { Err(ChangeFault::NotCanonical) } else { Ok(value) };
            }
            before = byte;
        }
        Err(ChangeFault::NotCanonical)
    }

    /// An unsigned number of at most `max`; a greater one is `fault`.
    pub(crate) fn bounded(&mut self, max: u32, fault: ChangeFault) -> Result<u32, ChangeFault> {
        match u32::try_from(self.unsigned()?) {
            Ok(value) if value <= max => Ok(value),
            _ => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shortest_form_is_read_back() {
        let values = [0, 1, -1, 63, 64, -64, -65, 127, 128, i64::MAX, i64::MIN];
        for value in values {
            let mut bytes = Vec::new();
            let mut rest = value;
            loop {
                let low = (rest & 0x7f) as u8;
                rest >>= 7;
                let done = (rest == 0 && low & 0x40 == 0) || (rest == -1 && low & 0x40 != 0);
                bytes.push(if done { low } else { low | 0x80 });
                if done {
                    break;
                }
            }
            assert_eq!(Reader::new(&bytes).signed(), Ok(value));
        }
        assert_eq!(Reader::new(&[0xff, 0x01]).unsigned(), Ok(255));
        let greatest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&greatest).unsigned(), Ok(u64::MAX));
    }

    #[test]
    fn every_longer_form_is_refused() {
        let unsigned: [&[u8]; 3] = [&[0x80, 0x00], &[0xff, 0x80, 0x00], &[0xff; 11]];
        for bytes in unsigned {
            assert_eq!(Reader::new(bytes).unsigned(), Err(ChangeFault::NotCanonical));
        }
        let signed: [&[u8]; 4] = [&[0x80, 0x00], &[0xff, 0x7f], &[0xbf, 0x00], &[0xff; 11]];
        assert_eq!(Reader::new(signed[0]).signed(), Err(ChangeFault::NotCanonical));
        assert_eq!(Reader::new(signed[1]).signed(), Err(ChangeFault::NotCanonical));
        assert_eq!(Reader::new(signed[2]).signed(), Err(ChangeFault::NotCanonical));
        assert_eq!(Reader::new(signed[3]).signed(), Err(ChangeFault::NotCanonical));
    }

    #[test]
    fn an_end_inside_a_number_is_truncated() {
        assert_eq!(Reader::new(&[0x80]).unsigned(), Err(ChangeFault::Truncated));
        assert_eq!(Reader::new(&[]).signed(), Err(ChangeFault::Truncated));
    }
}
