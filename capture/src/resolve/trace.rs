//! Follows the paths through one exported function and notes what each instruction touches.
//!
//! Takes an image and a symbol, gives the events in the order in which they were met.
//! It must never run into another function's code, and always ends: every limit is a constant below.

use std::collections::HashMap;
use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};

use super::machine::{Machine, Opaque};
use super::step::{Touch, step};
use super::value::Value;
use crate::elf::Image;

/// Instructions followed for one symbol, over all its paths.
const INSTRUCTIONS_MAX: usize = 20_000;
/// How often one instruction is met, at most, by paths with different histories.
const VISITS_MAX: u8 = 2;
/// How deep calls of functions that are not exported are followed.
const CALLS_MAX: u8 = 2;
/// The longest x86 instruction.
const INSTRUCTION_BYTES_MAX: usize = 15;

/// A call, or a jump that leaves the function for good.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `None` when it is indirect.
    pub(crate) target: Option<u64>,
    pub(crate) arguments: [Value; 6],
}

#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Touch(Touch),
    Call(Call),
    /// What stands in `rax` and `rdx` where the traced function itself returns.
    Return([Value; 2]),
}

/// Something an instruction did.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The instruction's distance from the traced symbol.
    pub(crate) at: u64,
    pub(crate) what: Happening,
}

/// What one exported function does.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) symbol: &'static str,
    pub(crate) events: Vec<Event>,
}

impl Trace {
    /// Loads as address and size.
    pub(crate) fn loads(&self) -> impl Iterator<Item = (u64, &Value, u8)> {
        self.events.iter().filter_map(|event| match &event.what {
            Happening::Touch(Touch::Load { address, size }) => Some((event.at, address, *size)),
            Happening::Touch(_) | Happening::Call(_) | Happening::Return(_) => None,
        })
    }

    /// Stores as address, size and value.
    pub(crate) fn stores(&self) -> impl Iterator<Item = (u64, &Value, u8, &Value)> {
        self.events.iter().filter_map(|event| match &event.what {
            Happening::Touch(Touch::Store {
                address,
                size,
                value,
            }) => Some((event.at, address, *size, value)),
            Happening::Touch(_) | Happening::Call(_) | Happening::Return(_) => None,
        })
    }

    /// Comparisons, left and right.
    pub(crate) fn compares(&self) -> impl Iterator<Item = (u64, &Value, &Value)> {
        self.events.iter().filter_map(|event| match &event.what {
            Happening::Touch(Touch::Compare { left, right }) => Some((event.at, left, right)),
            Happening::Touch(_) | Happening::Call(_) | Happening::Return(_) => None,
        })
    }

    /// Calls, direct and indirect.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (u64, &Call)> {
        self.events.iter().filter_map(|event| match &event.what {
            Happening::Call(call) => Some((event.at, call)),
            Happening::Touch(_) | Happening::Return(_) => None,
        })
    }

    /// Calls of the function at `target`.
    pub(crate) fn calls_of(&self, target: u64) -> impl Iterator<Item = (u64, &[Value; 6])> {
        self.calls()
            .filter(move |(_, call)| call.target == Some(target))
            .map(|(at, call)| (at, &call.arguments))
    }

    /// What the function returns in `rax` and `rdx`.
    pub(crate) fn returns(&self) -> impl Iterator<Item = (u64, &[Value; 2])> {
        self.events.iter().filter_map(|event| match &event.what {
            Happening::Return(values) => Some((event.at, values)),
            Happening::Touch(_) | Happening::Call(_) => None,
        })
    }
}

/// Follows the exported function `symbol`; `None` when the image does not export it.
pub(crate) fn trace(image: &Image, symbol: &'static str) -> Option<Trace> {
    let function = image.symbol(symbol).filter(|found| found.function)?;
    let mut walk = Walk {
        image,
        start: function.address,
        opaque: Opaque::default(),
        visits: HashMap::new(),
        left: INSTRUCTIONS_MAX,
        events: Vec::new(),
    };
    let machine = Machine::at_entry(&mut walk.opaque);
    walk.follow(function.address, machine, 0);
    Some(Trace {
        symbol,
        events: walk.events,
    })
}

/// Decodes the instruction at `address`.
pub(crate) fn decode(image: &Image, address: u64) -> Option<Instruction> {
    let bytes = image.code_from(address)?;
    let bytes = bytes.get(..INSTRUCTION_BYTES_MAX).unwrap_or(bytes);
    let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

struct Walk<'a> {
    image: &'a Image,
    start: u64,
    opaque: Opaque,
    visits: HashMap<u64, u8>,
    left: usize,
    events: Vec<Event>,
}

/// How a path goes on behind an instruction.
enum Next {
    Behind,
    At(u64),
    End,
}

impl Walk<'_> {
    /// Follows every path of the function at `entry`, with `depth` callers above it.
    fn follow(&mut self, entry: u64, machine: Machine, depth: u8) {
        let body = self.body(entry);
        let mut paths = vec![(entry, machine)];
        while let Some((mut address, mut machine)) = paths.pop() {
            while self.visit(address) {
                let Some(instruction) = decode(self.image, address) else {
                    break;
                };
                let next = self.step(&instruction, &mut machine, &mut paths, &body, depth);
                address = match next {
                    Next::End => break,
                    Next::At(target) => target,
                    Next::Behind => {
                        let behind = instruction.next_ip();
                        if behind == body.end || self.begins_function(behind) {
                            break;
                        }
                        behind
                    }
                };
            }
        }
    }

    fn visit(&mut self, address: u64) -> bool {
        let visits = self.visits.entry(address).or_insert(0);
        if *visits >= VISITS_MAX || self.left == 0 {
            return false;
        }
        *visits += 1;
        self.left -= 1;
        true
    }

    /// The code that surely belongs to the function at `entry`.
    fn body(&self, entry: u64) -> Range<u64> {
        match self.image.function_at(entry) {
            Some(range) if range.start == entry && !range.is_empty() => range,
            _ => entry..self.image.next_function(entry).unwrap_or(u64::MAX),
        }
    }

    fn begins_function(&self, address: u64) -> bool {
        self.image
            .function_at(address)
            .is_some_and(|range| range.start == address)
    }

    fn note(&mut self, instruction: &Instruction, what: Happening) {
        let at = instruction.ip().wrapping_sub(self.start);
        self.events.push(Event { at, what });
    }

    fn step(
        &mut self,
        instruction: &Instruction,
        machine: &mut Machine,
        paths: &mut Vec<(u64, Machine)>,
        body: &Range<u64>,
        depth: u8,
    ) -> Next {
        match instruction.flow_control() {
            FlowControl::Next => {
                for touch in step(machine, instruction, &mut self.opaque) {
                    self.note(instruction, Happening::Touch(touch));
                }
                Next::Behind
            }
            FlowControl::ConditionalBranch => {
                let target = instruction.near_branch_target();
                if self.stays(target, body) {
                    paths.push((target, machine.clone()));
                }
                Next::Behind
            }
            FlowControl::UnconditionalBranch => {
                let target = instruction.near_branch_target();
                if self.stays(target, body) {
                    return Next::At(target);
                }
                self.note_call(instruction, Some(target), machine);
                Next::End
            }
            FlowControl::Call | FlowControl::IndirectCall => {
                let target = (instruction.op0_kind() == OpKind::NearBranch64)
                    .then(|| instruction.near_branch_target());
                self.note_call(instruction, target, machine);
                if let Some(target) = target {
                    self.follow_call(target, machine, depth);
                }
                machine.after_call(instruction.ip(), target, &mut self.opaque);
                if self.returns_behind(instruction, body) {
                    Next::Behind
                } else {
                    Next::End
                }
            }
            FlowControl::Return => {
                if depth == 0 {
                    self.note(instruction, Happening::Return(machine.results()));
                }
                Next::End
            }
            FlowControl::IndirectBranch => {
                self.note_call(instruction, None, machine);
                Next::End
            }
            FlowControl::Interrupt | FlowControl::XbeginXabortXend | FlowControl::Exception => {
                Next::End
            }
        }
    }

    fn note_call(&mut self, instruction: &Instruction, target: Option<u64>, machine: &Machine) {
        let arguments = machine.arguments();
        self.note(instruction, Happening::Call(Call { target, arguments }));
    }

    /// Whether a jump goes on with the same function: within it, or to a part of it that the
    /// compiler put elsewhere, but never into another exported function.
    fn stays(&self, target: u64, body: &Range<u64>) -> bool {
        body.contains(&target) || self.image.function_at(target).is_none()
    }

    /// A function that is not exported may do the work for one that is.
    fn follow_call(&mut self, target: u64, machine: &Machine, depth: u8) {
        if depth < CALLS_MAX && self.image.function_at(target).is_none() {
            self.follow(target, machine.clone(), depth + 1);
        }
    }

    /// Behind a call that never returns stands padding, another function, or a trap. Outside of the
    /// function's own code this cannot be told well enough, so nothing behind a call is believed there.
    fn returns_behind(&self, call: &Instruction, body: &Range<u64>) -> bool {
        // `setjmp` returns a second time by a jump, so its call is followed by `endbr64`, too.
        let begins_another = self.begins_function(call.next_ip()) || call.next_ip() == body.end;
        body.contains(&call.ip())
            && decode(self.image, call.next_ip()).is_some_and(|behind| match behind.mnemonic() {
                Mnemonic::Nop | Mnemonic::Int3 => false,
                Mnemonic::Endbr64 => !begins_another && body.contains(&call.next_ip()),
                _ => true,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::sample;

    /// The code of `f` as a trace; `g` is another function behind it.
    fn traced(code: &[u8]) -> Trace {
        let file = sample::elf(&[("f", code), ("g", &[0xc3])]);
        trace(&Image::parse(file).unwrap(), "f").unwrap()
    }

    /// Offsets of eight-byte stores of argument `number` into argument 0.
    fn kept(code: &[u8], number: u8) -> Vec<i64> {
        traced(code)
            .stores()
            .filter(|(_, _, size, value)| *size == 8 && value.argument_offset(number) == Some(0))
            .filter_map(|(_, address, _, _)| address.argument_offset(0))
            .collect()
    }

    #[test]
    fn stores_are_seen_whatever_the_compiler_did() {
        // mov %rdx,0x38(%rdi); ret
        assert_eq!(kept(b"\x48\x89\x57\x38\xc3", 2), [0x38]);
        // push %rbx; mov %rdi,%rbx; mov %rdx,-8(%rsp); mov -8(%rsp),%rax; mov %rax,0x38(%rbx); pop; ret
        let spilled =
            b"\x53\x48\x89\xfb\x48\x89\x54\x24\xf8\x48\x8b\x44\x24\xf8\x48\x89\x43\x38\x5b\xc3";
        assert_eq!(kept(spilled, 2), [0x38]);
        // movq %rdx,%xmm0; movq %r8,%xmm1; punpcklqdq %xmm1,%xmm0; movups %xmm0,0x38(%rdi); ret
        let joined =
            b"\x66\x48\x0f\x6e\xc2\x66\x49\x0f\x6e\xc8\x66\x0f\x6c\xc1\x0f\x11\x47\x38\xc3";
        assert_eq!(kept(joined, 2), [0x38]);
        assert_eq!(kept(joined, 4), [0x40]);
    }

    #[test]
    fn changed_arguments_are_not_taken_for_whole_ones() {
        // and $0xf,%rdx; mov %rdx,0x38(%rdi); ret
        assert_eq!(kept(b"\x48\x83\xe2\x0f\x48\x89\x57\x38\xc3", 2), [0_i64; 0]);
        // add $1,%rdx; mov %rdx,0x38(%rdi); ret
        assert_eq!(kept(b"\x48\x83\xc2\x01\x48\x89\x57\x38\xc3", 2), [0_i64; 0]);
        // call g; mov %rdx,0x38(%rdi); ret
        let after_call = b"\xe8\xfb\x00\x00\x00\x48\x89\x57\x38\xc3";
        assert_eq!(kept(after_call, 2), [0_i64; 0]);
        assert_eq!(traced(after_call).calls_of(sample::address(1)).count(), 1);
    }

    #[test]
    fn both_ways_of_a_branch_are_followed() {
        // test %rdx,%rdx; je +5; mov %rdx,8(%rdi); ret; mov %rdx,0x10(%rdi); ret
        let code = b"\x48\x85\xd2\x74\x05\x48\x89\x57\x08\xc3\x48\x89\x57\x10\xc3";
        assert_eq!(kept(code, 2), [8, 16]);
    }

    #[test]
    fn a_path_ends_where_another_function_begins() {
        // call g, which does not return; nop; mov %rdx,8(%rdi)
        let trace = traced(b"\xe8\xfb\x00\x00\x00\x90\x48\x89\x57\x08");
        assert_eq!(trace.stores().count(), 0);
        // jmp g: a call in the place of a return
        let trace = traced(b"\xe9\xfb\x00\x00\x00");
        assert_eq!(trace.calls_of(sample::address(1)).count(), 1);
        assert_eq!(trace.returns().count(), 0);
    }

    #[test]
    fn a_loop_ends() {
        // jmp to itself; and a loop that loads through what it loaded
        assert_eq!(traced(b"\xeb\xfe").events.len(), 0);
        assert!(!traced(b"\x48\x8b\x3f\xeb\xfb").events.is_empty());
    }
}
