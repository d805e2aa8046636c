//! Registers and stack on one path through a function.
//!
//! Takes and gives values by register and by place on the stack, as the calling convention of System V
//! for x86-64 has it. It must never keep a value that an overlapping store or a call may have changed.

use std::collections::BTreeMap;

use iced_x86::Register;

use super::value::{Atom, Value};

/// Integer registers that carry arguments, in order.
const ARGUMENTS: [Register; 6] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
];
/// Registers whose value a call may change.
const CLOBBERED: [Register; 9] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];

/// Registers and stack on one path through a function.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    registers: [Value; 16],
    /// The low and high half of each vector register.
    pub(super) vectors: [[Value; 2]; 16],
    stack: BTreeMap<i64, (u8, Value)>,
}

/// Numbers the opaque values of one analysis.
#[derive(Debug, Default)]
pub(crate) struct Opaque(u64);

impl Opaque {
    pub(crate) fn next(&mut self) -> Value {
        self.0 += 1;
        Value::atom(Atom::Opaque(self.0))
    }
}

impl Machine {
    /// The state at a function's entry.
    pub(crate) fn at_entry(opaque: &mut Opaque) -> Self {
        let mut machine = Self {
            registers: std::array::from_fn(|_| opaque.next()),
            vectors: std::array::from_fn(|_| [opaque.next(), opaque.next()]),
            stack: BTreeMap::new(),
        };
        for (number, register) in (0..).zip(ARGUMENTS) {
            machine.set(register, Value::argument(number));
        }
        machine.set(Register::RSP, Value::atom(Atom::Stack));
        machine
    }

    /// What the argument registers hold.
    pub(crate) fn arguments(&self) -> [Value; 6] {
        ARGUMENTS.map(|register| self.get(register))
    }

    /// What a caller sees in `rax` and `rdx`.
    pub(crate) fn results(&self) -> [Value; 2] {
        [self.get(Register::RAX), self.get(Register::RDX)]
    }

    /// The state after the call at `at` has returned.
    pub(crate) fn after_call(&mut self, at: u64, target: Option<u64>, opaque: &mut Opaque) {
        for register in CLOBBERED {
            self.set(register, opaque.next());
        }
        for vector in &mut self.vectors {
            *vector = [opaque.next(), opaque.next()];
        }
        self.set(Register::RAX, Value::atom(Atom::Result { at, target }));
    }

    pub(super) fn get(&self, register: Register) -> Value {
        let full = register.full_register();
        if full.is_gpr64() {
            self.registers[full.number()].clone()
        } else {
            Value::constant(0)
        }
    }

    pub(super) fn set(&mut self, register: Register, value: Value) {
        let full = register.full_register();
        if full.is_gpr64() {
            self.registers[full.number()] = value;
        }
    }

    pub(super) fn load_stack(&self, offset: i64, size: u8) -> Option<Value> {
        let (stored, value) = self.stack.get(&offset)?;
        (*stored >= size).then(|| value.clone())
    }

    pub(super) fn store_stack(&mut self, offset: i64, size: u8, value: Value) {
        let end = offset.saturating_add(i64::from(size));
        let overlapping: Vec<i64> = self
            .stack
            .range(offset.saturating_sub(i64::from(u8::MAX))..end)
            .filter(|(start, (length, _))| start.saturating_add(i64::from(*length)) > offset)
            .map(|(start, _)| *start)
            .collect();
        for start in overlapping {
            self.stack.remove(&start);
        }
        self.stack.insert(offset, (size, value));
    }
}
