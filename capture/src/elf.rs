//! Takes the bytes of an ELF file, gives symbols, bytes at virtual addresses and file offsets.
//!
//! Files are hostile input: every access is checked, a damaged file is an error or an absent answer.
//! It must never panic, and never trust a size, an offset or an index that the file states.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memmem;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::endian::LittleEndian;
use object::read::elf::{
    FileHeader, ProgramHeader, Rela, SectionHeader, SectionTable, Sym, SymbolTable,
};

/// Larger files are refused; the largest server binary known has 76 MB, with debug symbols below 2 GB.
pub const FILE_BYTES_MAX: u64 = 4 << 30;

/// Loaded segments looked at; linkers make four to six.
const SEGMENTS_MAX: usize = 32;

/// Why a file could not be read as a server binary.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The file could not be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than [`FILE_BYTES_MAX`].
    #[error("{} has {bytes} bytes, more than a server binary can have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The bytes are not a well-formed 64-bit little-endian ELF file.
    #[error("not a readable 64-bit ELF file: {what}")]
    Malformed {
        /// The part that is damaged.
        what: &'static str,
        /// What the parser said.
        source: object::read::Error,
    },
    /// The binary is for another processor.
    #[error("binary for another processor (ELF machine {machine}), only x86-64 is supported")]
    Machine {
        /// `e_machine`.
        machine: u16,
    },
}

/// A dynamic symbol defined in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// `st_value`: virtual address.
    pub address: u64,
    /// `st_size` in bytes; 0 when the file does not say.
    pub size: u64,
    /// Whether it is a function.
    pub function: bool,
}

/// A part of the file that is mapped into memory.
#[derive(Clone, Copy, Debug)]
struct Segment {
    address: u64,
    offset: usize,
    file_size: usize,
    executable: bool,
    writable: bool,
}

/// One binary, read whole.
#[derive(Debug)]
pub struct Image {
    data: Vec<u8>,
    segments: Vec<Segment>,
    symbols: HashMap<String, Symbol>,
    /// Exported functions, by address.
    functions: Vec<Range<u64>>,
    /// `R_X86_64_RELATIVE` relocations: place and addend, by place.
    relocations: Vec<(u64, u64)>,
    build_id: Option<String>,
}

impl Image {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or is not an x86-64 ELF file.
    pub fn open(path: &Path) -> Result<Self, ElfError> {
        let fail = |source| ElfError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(ElfError::TooLarge {
                path: path.to_owned(),
                bytes,
            });
        }
        let mut data = Vec::new();
        file.by_ref()
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut data)
            .map_err(fail)?;
        Self::parse(data)
    }

    /// Reads an image from memory.
    ///
    /// # Errors
    /// When the bytes are not an x86-64 ELF file.
    pub fn parse(data: Vec<u8>) -> Result<Self, ElfError> {
        let bytes = data.as_slice();
        let malformed = |what| move |source| ElfError::Malformed { what, source };
        let header = Header::parse(bytes).map_err(malformed("header"))?;
        let endian = header.endian().map_err(malformed("byte order"))?;
        let machine = header.e_machine(endian);
        if machine != elf::EM_X86_64 {
            return Err(ElfError::Machine { machine: machine.0 });
        }
        let programs = header
            .program_headers(endian, bytes)
            .map_err(malformed("program headers"))?;
        let sections = header
            .sections(endian, bytes)
            .map_err(malformed("section headers"))?;
        let dynamic = sections
            .symbols(endian, bytes, elf::SHT_DYNSYM)
            .map_err(malformed("dynamic symbol table"))?;

        let (symbols, functions) = exports(endian, &dynamic);
        Ok(Self {
            segments: segments(endian, programs),
            symbols,
            functions,
            relocations: relocations(endian, bytes, &sections),
            build_id: build_id(endian, bytes, programs),
            data,
        })
    }

    /// The linker's build id in hexadecimal.
    #[must_use]
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// Size of the file in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether the file has no bytes; never true of a parsed one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The dynamic symbol called `name`, if the file defines it.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }

    /// Exported functions whose name begins with `prefix`, in the order of their names.
    #[must_use]
    pub fn functions_with_prefix(&self, prefix: &str) -> Vec<(&str, Symbol)> {
        let mut found: Vec<_> = self
            .symbols
            .iter()
            .filter(|(name, symbol)| symbol.function && name.starts_with(prefix))
            .map(|(name, symbol)| (name.as_str(), *symbol))
            .collect();
        found.sort_unstable_by_key(|(name, _)| *name);
        found
    }

    /// The exported function whose code `address` is in, as an address range.
    #[must_use]
    pub fn function_at(&self, address: u64) -> Option<Range<u64>> {
        let before = self
            .functions
            .partition_point(|range| range.start <= address);
        let candidate = self.functions.get(before.checked_sub(1)?)?;
        (candidate.contains(&address) || candidate.start == address).then(|| candidate.clone())
    }

    /// The start of the first exported function behind `address`.
    #[must_use]
    pub fn next_function(&self, address: u64) -> Option<u64> {
        let behind = self
            .functions
            .partition_point(|range| range.start <= address);
        self.functions.get(behind).map(|range| range.start)
    }

    /// Where in the file the byte at `address` is.
    #[must_use]
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        let (segment, within) = self.segment_at(address)?;
        u64::try_from(segment.offset.checked_add(within)?).ok()
    }

    /// Bytes from `address` to the end of what the file holds of its segment.
    #[must_use]
    pub fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        let (segment, within) = self.segment_at(address)?;
        let start = segment.offset.checked_add(within)?;
        let end = segment
            .offset
            .checked_add(segment.file_size)?
            .min(self.data.len());
        self.data.get(start..end).filter(|bytes| !bytes.is_empty())
    }

    /// Machine code from `address`; `None` where the segment is not executable.
    #[must_use]
    pub fn code_from(&self, address: u64) -> Option<&[u8]> {
        self.segment_at(address)
            .filter(|(segment, _)| segment.executable)?;
        self.bytes_from(address)
    }

    /// The pointer that stands at `address` once the file is loaded at base 0.
    #[must_use]
    pub fn pointer_at(&self, address: u64) -> Option<u64> {
        if let Ok(found) = self
            .relocations
            .binary_search_by_key(&address, |entry| entry.0)
        {
            return self.relocations.get(found).map(|entry| entry.1);
        }
        // Packed relocations, and binaries at a fixed address, keep the pointer in place.
        let bytes = self.bytes_from(address)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes)).filter(|pointer| *pointer != 0)
    }

    /// How many relocated pointers, such as those of tables of virtual functions, lead to `address`.
    #[must_use]
    pub fn pointers_to(&self, address: u64) -> usize {
        self.relocations
            .iter()
            .filter(|(_, addend)| *addend == address)
            .count()
    }

    /// The text without its NUL at `address`, at most `limit` bytes of UTF-8.
    #[must_use]
    pub fn text_at(&self, address: u64, limit: usize) -> Option<&str> {
        let bytes = self.bytes_from(address)?;
        let end = bytes.iter().take(limit).position(|byte| *byte == 0)?;
        std::str::from_utf8(bytes.get(..end)?).ok()
    }

    /// NUL-terminated texts in read-only memory that contain `needle`, each from its beginning.
    pub fn texts_with<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = &'a str> {
        self.segments
            .iter()
            .filter(|segment| !segment.writable)
            .flat_map(move |segment| {
                let bytes = self.bytes_from(segment.address).unwrap_or_default();
                memmem::find_iter(bytes, needle).filter_map(move |at| text_around(bytes, at))
            })
    }

    /// Addresses of the direct calls and jumps in executable memory that lead to each of `targets`.
    #[must_use]
    pub fn call_sites(&self, targets: &[u64]) -> Vec<Vec<u64>> {
        let mut sites = vec![Vec::new(); targets.len()];
        for segment in self.segments.iter().filter(|segment| segment.executable) {
            let bytes = self.bytes_from(segment.address).unwrap_or_default();
            for at in memchr::memchr2_iter(0xe8, 0xe9, bytes) {
                let Some(distance) = bytes.get(at + 1..).and_then(<[u8]>::first_chunk) else {
                    continue;
                };
                let site = segment.address.wrapping_add(at as u64);
                let to = site
                    .wrapping_add(CALL_BYTES)
                    .wrapping_add_signed(i64::from(i32::from_le_bytes(*distance)));
                for (sites, _) in sites.iter_mut().zip(targets).filter(|(_, t)| **t == to) {
                    sites.push(site);
                }
            }
        }
        sites
    }

    fn segment_at(&self, address: u64) -> Option<(&Segment, usize)> {
        self.segments.iter().find_map(|segment| {
            let within = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            (within < segment.file_size).then_some((segment, within))
        })
    }
}

type Header = FileHeader64<LittleEndian>;

/// The symbols that the file defines, and where its functions are, in order.
fn exports(
    endian: LittleEndian,
    table: &SymbolTable<'_, Header>,
) -> (HashMap<String, Symbol>, Vec<Range<u64>>) {
    let (mut symbols, mut functions) = (HashMap::new(), Vec::new());
    for symbol in table.iter().filter(|symbol| !symbol.is_undefined(endian)) {
        let Ok(name) = symbol.name(endian, table.strings()) else {
            continue;
        };
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let (address, size) = (symbol.st_value(endian), symbol.st_size(endian));
        let function = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
        if function {
            functions.push(address..address.saturating_add(size));
        }
        symbols.insert(
            name.to_owned(),
            Symbol {
                address,
                size,
                function,
            },
        );
    }
    functions.sort_unstable_by_key(|range| (range.start, range.end));
    (symbols, functions)
}

/// Places of relative relocations and the pointers that will stand there, in order.
fn relocations(
    endian: LittleEndian,
    bytes: &[u8],
    sections: &SectionTable<'_, Header>,
) -> Vec<(u64, u64)> {
    let mut relocations = Vec::new();
    for section in sections.iter() {
        let Ok(Some((entries, _))) = section.rela(endian, bytes) else {
            continue;
        };
        relocations.extend(
            entries
                .iter()
                .filter(|entry| entry.r_type(endian, false) == elf::R_X86_64_RELATIVE)
                .map(|entry| {
                    (
                        entry.r_offset(endian),
                        entry.r_addend(endian).cast_unsigned(),
                    )
                }),
        );
    }
    relocations.sort_unstable();
    relocations
}

fn segments(endian: LittleEndian, programs: &[ProgramHeader64<LittleEndian>]) -> Vec<Segment> {
    programs
        .iter()
        .filter(|program| program.p_type(endian) == elf::PT_LOAD)
        .take(SEGMENTS_MAX)
        .filter_map(|program| {
            let flags = program.p_flags(endian);
            Some(Segment {
                address: program.p_vaddr(endian),
                offset: usize::try_from(program.p_offset(endian)).ok()?,
                file_size: usize::try_from(program.p_filesz(endian)).ok()?,
                executable: flags.contains(elf::PF_X),
                writable: flags.contains(elf::PF_W),
            })
        })
        .collect()
}

fn build_id(
    endian: LittleEndian,
    bytes: &[u8],
    programs: &[ProgramHeader64<LittleEndian>],
) -> Option<String> {
    programs.iter().find_map(|program| {
        let mut notes = program.notes(endian, bytes).ok()??;
        while let Ok(Some(note)) = notes.next() {
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                return Some(
                    note.desc()
                        .iter()
                        .map(|byte| format!("{byte:02x}"))
                        .collect(),
                );
            }
        }
        None
    })
}

/// Length of a direct call or jump with a 32-bit distance.
const CALL_BYTES: u64 = 5;

/// Longest text taken around a found needle, on either side.
const TEXT_REACH: usize = 256;

fn text_around(bytes: &[u8], at: usize) -> Option<&str> {
    let from = at.saturating_sub(TEXT_REACH);
    let start = bytes.get(from..at)?.iter().rposition(|byte| *byte == 0)? + from + 1;
    let rest = bytes.get(at..)?;
    let end = rest.iter().take(TEXT_REACH).position(|byte| *byte == 0)? + at;
    std::str::from_utf8(bytes.get(start..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_around_stops_at_the_nuls() {
        assert_eq!(text_around(b"a\0xx-yy\0b", 4), Some("xx-yy"));
        assert_eq!(text_around(b"xx-yy\0", 2), None);
        assert_eq!(text_around(b"\0xx-yy", 2), None);
        assert_eq!(text_around(b"\0\xff-y\0", 2), None);
    }

    #[test]
    fn own_binary_is_readable() {
        let image = Image::open(Path::new("/proc/self/exe")).unwrap();
        assert!(!image.is_empty());
        assert!(!image.segments.is_empty());
        assert!(image.symbol("no such symbol").is_none());
        assert!(image.code_from(0).is_none());
        assert!(image.bytes_from(u64::MAX).is_none());
    }

    #[test]
    fn other_files_are_refused() {
        for bytes in [
            &b""[..],
            b"\x7fELF",
            b"#!/bin/sh\n",
            &[0; 64],
            &[0xff; 4096],
        ] {
            assert!(matches!(
                Image::parse(bytes.to_vec()),
                Err(ElfError::Malformed { .. })
            ));
        }
    }
}
