//! Small ELF files for tests.
//!
//! Takes names and machine code, gives a file that exports them as functions; only tests use it.

/// Where the file is mapped.
pub(crate) const BASE: u64 = 0x10_0000;
/// Room for each function's code; longer code runs into the next one.
const SLOT: usize = 0x100;

const HEADER_BYTES: usize = 64;
const PROGRAM_BYTES: usize = 56;
const SECTION_BYTES: usize = 64;
const SYMBOL_BYTES: usize = 24;

/// The address of function number `index`.
pub(crate) fn address(index: usize) -> u64 {
    BASE + (CODE + index * SLOT) as u64
}

/// Where the code begins: behind the headers, of which there are always as many.
const CODE: usize = 0x200;

/// A 64-bit little-endian x86-64 ELF file with one executable segment that is the whole file.
pub(crate) fn elf(functions: &[(&str, &[u8])]) -> Vec<u8> {
    let mut code = Vec::new();
    let mut names = vec![0];
    let mut symbols = vec![0; SYMBOL_BYTES];
    for (index, (name, bytes)) in functions.iter().enumerate() {
        symbols.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
        symbols.extend([0x12, 0, 1, 0]); // a global function in section 1
        symbols.extend(address(index).to_le_bytes());
        symbols.extend((bytes.len() as u64).to_le_bytes());
        names.extend(name.bytes().chain([0]));
        code.extend_from_slice(bytes);
        code.resize((index + 1) * SLOT, 0x90);
    }
    let symbols_at = CODE + code.len();
    let names_at = symbols_at + symbols.len();
    let bytes = names_at + names.len();

    let mut file = Vec::with_capacity(bytes);
    file.extend(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend([3, 0, 62, 0, 1, 0, 0, 0]); // shared object, x86-64
    for word in [0, HEADER_BYTES, HEADER_BYTES + PROGRAM_BYTES] {
        file.extend((word as u64).to_le_bytes());
    }
    file.extend([0; 4]);
    for half in [HEADER_BYTES, PROGRAM_BYTES, 1, SECTION_BYTES, 3, 2] {
        file.extend(u16::try_from(half).unwrap().to_le_bytes());
    }
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]); // loaded, readable and executable
    for word in [0, BASE, BASE, bytes as u64, bytes as u64, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0; SECTION_BYTES]);
    section(&mut file, 11, symbols_at, symbols.len(), 2, SYMBOL_BYTES);
    section(&mut file, 3, names_at, names.len(), 0, 0);
    file.resize(CODE, 0);
    file.extend(code);
    file.extend(symbols);
    file.extend(names);
    file
}

fn section(file: &mut Vec<u8>, kind: u32, at: usize, bytes: usize, link: u32, entry: usize) {
    file.extend([0; 4]);
    file.extend(kind.to_le_bytes());
    for word in [0, 0, at as u64, bytes as u64] {
        file.extend(word.to_le_bytes());
    }
    file.extend(link.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for word in [1, entry as u64] {
        file.extend(word.to_le_bytes());
    }
}
