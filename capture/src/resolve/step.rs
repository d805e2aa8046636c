//! The effect of one x86-64 instruction on registers and stack.
//!
//! Takes a decoded instruction and the state before it, gives the state after it and what it touched.
//! It must never guess: an instruction it does not know makes everything it writes opaque.

use iced_x86::{
    Instruction, InstructionInfoFactory, MemorySize, Mnemonic, OpAccess, OpKind, Register,
};

use super::machine::{Machine, Opaque};
use super::value::Value;

/// What an instruction did to memory, or asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Load {
        address: Value,
        size: u8,
    },
    Store {
        address: Value,
        size: u8,
        value: Value,
    },
    Compare {
        left: Value,
        right: Value,
    },
}

/// Applies an instruction that does not change the flow of control.
pub(crate) fn step(
    machine: &mut Machine,
    instruction: &Instruction,
    opaque: &mut Opaque,
) -> Vec<Touch> {
    let mut step = Step {
        machine,
        instruction,
        opaque,
        touches: Vec::new(),
    };
    if step.known().is_none() {
        step.fallback();
    }
    step.touches
}

/// One instruction at work. The `Option`s are `None` where the instruction is not understood.
struct Step<'a> {
    machine: &'a mut Machine,
    instruction: &'a Instruction,
    opaque: &'a mut Opaque,
    touches: Vec<Touch>,
}

impl Step<'_> {
    fn known(&mut self) -> Option<()> {
        let instruction = self.instruction;
        match instruction.mnemonic() {
            Mnemonic::Nop | Mnemonic::Endbr64 | Mnemonic::Prefetcht0 | Mnemonic::Prefetchw => {}
            Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd => {
                let value = self.read(1)?;
                self.write(0, value)?;
            }
            Mnemonic::Lea => {
                let address = self.address();
                self.write(0, address)?;
            }
            Mnemonic::Add | Mnemonic::Sub | Mnemonic::Inc | Mnemonic::Dec => self.sum()?,
            Mnemonic::Neg => {
                let value = self.read(0)?.times(-1);
                self.write(0, value)?;
            }
            Mnemonic::Imul => self.multiply()?,
            Mnemonic::Shl => {
                let shift = u32::try_from(self.read(1)?.as_constant()?).ok()?;
                let value = self.read(0)?.times(1_i64.checked_shl(shift)?);
                self.write(0, value)?;
            }
            Mnemonic::Xor | Mnemonic::Pxor | Mnemonic::Xorps if self.is_zeroing() => self.zero()?,
            Mnemonic::Cmp | Mnemonic::Test => {
                let (left, right) = (self.read(0)?, self.read(1)?);
                if instruction.mnemonic() == Mnemonic::Cmp {
                    self.touches.push(Touch::Compare { left, right });
                }
            }
            Mnemonic::Push => {
                let value = self.read(0)?;
                self.move_stack(-8)?;
                let top = self.machine.get(Register::RSP);
                self.store(top, 8, value);
            }
            Mnemonic::Pop => {
                let top = self.machine.get(Register::RSP);
                let value = self.load(top, 8);
                self.move_stack(8)?;
                self.write(0, value)?;
            }
            Mnemonic::Leave => {
                let frame = self.machine.get(Register::RBP);
                let saved = self.load(frame.clone(), 8);
                self.machine.set(Register::RSP, frame);
                self.move_stack(8)?;
                self.machine.set(Register::RBP, saved);
            }
            Mnemonic::Movq | Mnemonic::Movd => self.move_low()?,
            Mnemonic::Movdqa
            | Mnemonic::Movdqu
            | Mnemonic::Movaps
            | Mnemonic::Movups
            | Mnemonic::Movapd
            | Mnemonic::Movupd => {
                let value = self.read_vector(1)?;
                self.write_vector(0, value)?;
            }
            Mnemonic::Punpcklqdq | Mnemonic::Movhps | Mnemonic::Movhpd => self.join()?,
            _ => return None,
        }
        Some(())
    }

    /// Everything the instruction writes becomes opaque, everything it reads is noted.
    fn fallback(&mut self) {
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(self.instruction);
        let writes = |access| {
            matches!(
                access,
                OpAccess::Write
                    | OpAccess::CondWrite
                    | OpAccess::ReadWrite
                    | OpAccess::ReadCondWrite
            )
        };
        // String instructions have implied operands, which `address` does not see.
        let plain = (0..self.instruction.op_count())
            .any(|operand| self.instruction.op_kind(operand) == OpKind::Memory);
        let address = if plain {
            self.address()
        } else {
            self.opaque.next()
        };
        for memory in info.used_memory() {
            let size = width(memory.memory_size());
            if matches!(memory.access(), OpAccess::NoMemAccess | OpAccess::None) {
                continue;
            }
            if writes(memory.access()) {
                let value = self.opaque.next();
                self.store(address.clone(), size, value);
            } else {
                self.load(address.clone(), size);
            }
        }
        for used in info
            .used_registers()
            .iter()
            .filter(|used| writes(used.access()))
        {
            let register = used.register();
            if register.is_vector_register() {
                if let Some(vector) = self.machine.vectors.get_mut(register.number()) {
                    *vector = [self.opaque.next(), self.opaque.next()];
                }
            } else {
                let value = self.opaque.next();
                self.machine.set(register, value);
            }
        }
    }

    fn or_opaque(&mut self, value: Option<Value>) -> Value {
        value.unwrap_or_else(|| self.opaque.next())
    }

    /// The address of the instruction's memory operand.
    fn address(&mut self) -> Value {
        let instruction = self.instruction;
        if matches!(instruction.segment_prefix(), Register::FS | Register::GS) {
            return self.opaque.next();
        }
        if instruction.is_ip_rel_memory_operand() {
            return Value::constant(instruction.ip_rel_memory_address().cast_signed());
        }
        let displacement = instruction.memory_displacement64().cast_signed();
        let scale = i64::from(instruction.memory_index_scale());
        let base = self.machine.get(instruction.memory_base());
        let index = self.machine.get(instruction.memory_index()).times(scale);
        let sum = base
            .plus(&index)
            .and_then(|sum| sum.plus(&Value::constant(displacement)));
        self.or_opaque(sum)
    }

    fn load(&mut self, address: Value, size: u8) -> Value {
        if let Some(offset) = address.stack_offset()
            && let Some(value) = self.machine.load_stack(offset, size)
        {
            return value;
        }
        self.touches.push(Touch::Load {
            address: address.clone(),
            size,
        });
        let value = Value::load(address, size);
        self.or_opaque(value)
    }

    fn store(&mut self, address: Value, size: u8, value: Value) {
        if let Some(offset) = address.stack_offset() {
            self.machine.store_stack(offset, size, value.clone());
        }
        self.touches.push(Touch::Store {
            address,
            size,
            value,
        });
    }

    fn read(&mut self, operand: u32) -> Option<Value> {
        let instruction = self.instruction;
        match instruction.op_kind(operand) {
            OpKind::Register => {
                let register = instruction.op_register(operand);
                is_followed(register).then(|| self.machine.get(register))
            }
            OpKind::Memory => {
                let size = width(instruction.memory_size());
                let address = self.address();
                Some(self.load(address, size))
            }
            OpKind::Immediate8 => Some(Value::constant(i64::from(instruction.immediate8()))),
            OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate32to64
            | OpKind::Immediate64 => Some(Value::constant(
                instruction.immediate(operand).cast_signed(),
            )),
            _ => None,
        }
    }

    fn write(&mut self, operand: u32, value: Value) -> Option<()> {
        let instruction = self.instruction;
        match instruction.op_kind(operand) {
            OpKind::Register => {
                let register = instruction.op_register(operand);
                is_followed(register).then(|| self.machine.set(register, value))
            }
            OpKind::Memory => {
                let size = width(instruction.memory_size());
                let address = self.address();
                self.store(address, size, value);
                Some(())
            }
            _ => None,
        }
    }

    fn sum(&mut self) -> Option<()> {
        let left = self.read(0)?;
        let right = match self.instruction.mnemonic() {
            Mnemonic::Inc => Value::constant(1),
            Mnemonic::Dec => Value::constant(-1),
            Mnemonic::Sub => self.read(1)?.times(-1),
            _ => self.read(1)?,
        };
        let value = left.plus(&right);
        let value = self.or_opaque(value);
        self.write(0, value)
    }

    fn multiply(&mut self) -> Option<()> {
        let (left, right) = match self.instruction.op_count() {
            2 => (self.read(0)?, self.read(1)?),
            3 => (self.read(1)?, self.read(2)?),
            _ => return None,
        };
        let product = match (left.as_constant(), right.as_constant()) {
            (_, Some(factor)) => Some(left.times(factor)),
            (Some(factor), None) => Some(right.times(factor)),
            (None, None) => None,
        };
        let product = self.or_opaque(product);
        self.write(0, product)
    }

    fn move_stack(&mut self, by: i64) -> Option<()> {
        let moved = self.machine.get(Register::RSP).plus(&Value::constant(by))?;
        self.machine.set(Register::RSP, moved);
        Some(())
    }

    fn is_zeroing(&self) -> bool {
        let instruction = self.instruction;
        instruction.op0_kind() == OpKind::Register
            && instruction.op1_kind() == OpKind::Register
            && instruction.op0_register() == instruction.op1_register()
    }

    fn zero(&mut self) -> Option<()> {
        if self.instruction.op0_register().is_gpr() {
            self.write(0, Value::constant(0))
        } else {
            self.write_vector(0, [Value::constant(0), Value::constant(0)])
        }
    }

    /// `movq` and `movd` between an integer place and the low half of a vector register.
    fn move_low(&mut self) -> Option<()> {
        let instruction = self.instruction;
        if instruction.op0_kind() == OpKind::Register && instruction.op0_register().is_xmm() {
            let low = match instruction.op1_kind() {
                OpKind::Register if instruction.op1_register().is_xmm() => {
                    self.read_vector(1)?[0].clone()
                }
                _ => self.read(1)?,
            };
            return self.write_vector(0, [low, Value::constant(0)]);
        }
        let [low, _] = self.read_vector(1)?;
        self.write(0, low)
    }

    /// The low half stays, the high half comes from the low half of the source.
    fn join(&mut self) -> Option<()> {
        let instruction = self.instruction;
        if instruction.op0_kind() == OpKind::Memory {
            let [_, high] = self.read_vector(1)?;
            return self.write(0, high);
        }
        let [low, _] = self.read_vector(0)?;
        let high = match instruction.op1_kind() {
            OpKind::Memory => {
                let address = self.address();
                self.load(address, 8)
            }
            _ => self.read_vector(1)?[0].clone(),
        };
        self.write_vector(0, [low, high])
    }

    fn read_vector(&mut self, operand: u32) -> Option<[Value; 2]> {
        let instruction = self.instruction;
        match instruction.op_kind(operand) {
            OpKind::Register => {
                let register = instruction.op_register(operand);
                let vector = self.machine.vectors.get(register.number())?;
                register.is_xmm().then(|| vector.clone())
            }
            OpKind::Memory => {
                let address = self.address();
                let behind = address.plus(&Value::constant(8))?;
                Some([self.load(address, 8), self.load(behind, 8)])
            }
            _ => None,
        }
    }

    fn write_vector(&mut self, operand: u32, value: [Value; 2]) -> Option<()> {
        let instruction = self.instruction;
        match instruction.op_kind(operand) {
            OpKind::Register => {
                let register = instruction.op_register(operand);
                let vector = self.machine.vectors.get_mut(register.number())?;
                register.is_xmm().then(|| *vector = value)
            }
            OpKind::Memory => {
                let address = self.address();
                let behind = address.plus(&Value::constant(8))?;
                let [low, high] = value;
                self.store(address, 8, low);
                self.store(behind, 8, high);
                Some(())
            }
            _ => None,
        }
    }
}

/// Integer registers but for `ah` to `bh`, which do not begin at their register's lowest bit.
fn is_followed(register: Register) -> bool {
    let high = matches!(
        register,
        Register::AH | Register::BH | Register::CH | Register::DH
    );
    register.is_gpr() && !high
}

/// Bytes of a memory operand, at most 64 (a vector register).
fn width(size: MemorySize) -> u8 {
    u8::try_from(size.size()).unwrap_or(u8::MAX)
}
