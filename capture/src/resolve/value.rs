//! What a register holds while a function is followed: a sum of known things.
//!
//! Takes terms, gives sums in one normal form, so that two ways to compute an address compare equal.
//! It must never claim more than the instructions say: what is not understood is its own opaque term.

use std::rc::Rc;

/// Terms in a sum; a longer sum becomes opaque.
const TERMS_MAX: usize = 3;
/// Loads through loads through loads ...; a deeper chain becomes opaque.
const DEPTH_MAX: u8 = 8;

/// A thing whose value is not known, only where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Atom {
    /// The function's integer argument, from 0.
    Argument(u8),
    /// The stack pointer at the function's entry.
    Stack,
    /// `size` bytes of memory at an address, as they were when the function began.
    Memory {
        address: Rc<Value>,
        size: u8,
        depth: u8,
    },
    /// What the call at `at` returned.
    Result { at: u64, target: Option<u64> },
    /// Something not followed; each has its own number.
    Opaque(u64),
}

/// A constant plus multiples of atoms, modulo 2^64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) constant: i64,
    pub(crate) terms: Vec<(Atom, i64)>,
}

impl Value {
    pub(crate) fn constant(constant: i64) -> Self {
        Self {
            constant,
            terms: Vec::new(),
        }
    }

    pub(crate) fn atom(atom: Atom) -> Self {
        Self {
            constant: 0,
            terms: vec![(atom, 1)],
        }
    }

    pub(crate) fn argument(number: u8) -> Self {
        Self::atom(Atom::Argument(number))
    }

    /// `size` bytes at `address`, or `None` when the chain of loads is too deep to follow.
    pub(crate) fn load(address: Self, size: u8) -> Option<Self> {
        let depth = address
            .terms
            .iter()
            .map(|(atom, _)| match atom {
                Atom::Memory { depth, .. } => *depth,
                Atom::Argument(_) | Atom::Stack | Atom::Result { .. } | Atom::Opaque(_) => 0,
            })
            .max()
            .unwrap_or(0)
            + 1;
        (depth <= DEPTH_MAX).then(|| {
            Self::atom(Atom::Memory {
                address: Rc::new(address),
                size,
                depth,
            })
        })
    }

    /// The sum, or `None` when it has too many terms.
    pub(crate) fn plus(&self, other: &Self) -> Option<Self> {
        let mut sum = self.clone();
        sum.constant = sum.constant.wrapping_add(other.constant);
        for (atom, times) in &other.terms {
            match sum.terms.iter_mut().find(|(known, _)| known == atom) {
                Some((_, known)) => *known = known.wrapping_add(*times),
                None => sum.terms.push((atom.clone(), *times)),
            }
        }
        sum.terms.retain(|(_, times)| *times != 0);
        (sum.terms.len() <= TERMS_MAX).then_some(sum)
    }

    pub(crate) fn times(&self, factor: i64) -> Self {
        if factor == 0 {
            return Self::constant(0);
        }
        let mut product = self.clone();
        product.constant = product.constant.wrapping_mul(factor);
        for (_, times) in &mut product.terms {
            *times = times.wrapping_mul(factor);
        }
        product.terms.retain(|(_, times)| *times != 0);
        product
    }

    pub(crate) fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// The one atom of a plain `atom + constant`.
    pub(crate) fn as_pointer(&self) -> Option<(&Atom, i64)> {
        match self.terms.as_slice() {
            [(atom, 1)] => Some((atom, self.constant)),
            _ => None,
        }
    }

    /// `c` of `argument(number) + c`.
    pub(crate) fn argument_offset(&self, number: u8) -> Option<i64> {
        match self.as_pointer() {
            Some((Atom::Argument(own), offset)) if *own == number => Some(offset),
            _ => None,
        }
    }

    /// `c` of `stack pointer at entry + c`.
    pub(crate) fn stack_offset(&self) -> Option<i64> {
        match self.as_pointer() {
            Some((Atom::Stack, offset)) => Some(offset),
            _ => None,
        }
    }

    /// Address and size of a value that was loaded and not changed since.
    pub(crate) fn as_memory(&self) -> Option<(&Value, u8)> {
        match self.as_pointer() {
            Some((Atom::Memory { address, size, .. }, 0)) => Some((address, *size)),
            _ => None,
        }
    }

    /// `c` of `[address] + c`, where `size` bytes are loaded, with the address.
    pub(crate) fn as_loaded(&self, size: u8) -> Option<(&Value, i64)> {
        match self.as_pointer() {
            Some((
                Atom::Memory {
                    address, size: own, ..
                },
                offset,
            )) if *own == size => Some((address, offset)),
            _ => None,
        }
    }

    /// `c` of `[base + ...] + c`, with the address that was loaded from.
    pub(crate) fn as_pointee(&self) -> Option<(&Value, i64)> {
        match self.as_pointer() {
            Some((
                Atom::Memory {
                    address, size: 8, ..
                },
                offset,
            )) => Some((address, offset)),
            _ => None,
        }
    }

    /// `c` of `[argument(number) + c]`, `size` bytes wide.
    pub(crate) fn loaded_from_argument(&self, number: u8, size: u8) -> Option<i64> {
        let (address, own) = self.as_memory()?;
        (own == size).then(|| address.argument_offset(number))?
    }

    /// Whether this is, unchanged, what a call of `target` returned.
    pub(crate) fn is_result_of(&self, target: u64) -> bool {
        matches!(self.as_pointer(), Some((Atom::Result { target: Some(own), .. }, 0)) if *own == target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_one_normal_form() {
        let index = Value::load(Value::constant(0x100), 4).unwrap();
        let by_imul = index.times(0xc0);
        let tripled = index.plus(&index.times(2)).unwrap();
        assert_eq!(by_imul, tripled.times(64));
        assert_eq!(index.plus(&index.times(-1)).unwrap(), Value::constant(0));
    }

    #[test]
    fn limits_make_values_unknown() {
        let mut value = Value::argument(0);
        let mut depth = 0;
        while let Some(next) = Value::load(value.clone(), 8) {
            value = next;
            depth += 1;
        }
        assert_eq!(depth, usize::from(DEPTH_MAX));
        let many = (0..4).try_fold(Value::constant(0), |sum, n| sum.plus(&Value::argument(n)));
        assert_eq!(many, None);
    }
}
