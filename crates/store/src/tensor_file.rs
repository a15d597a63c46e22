//! One file of named tensors with a hash of its content.
//!
//! The format is safetensors: a little-endian length, a JSON header, the tensors' bytes. Elements
//! are little-endian `f32`. The header's `__metadata__` holds `"format": "pt"`, which the loaders
//! of other languages expect, and `"hash"`, a [`Key`] over everything else. The same content gives
//! the same bytes. The entry `"run"`, where there is one, says which run the file belongs to; it is
//! no part of the content and does not change the hash.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::{Serialize, Serializer};

use crate::error::StoreError;
use crate::files::write_atomically;
use crate::key::{Key, KeyBuilder};

const FORMAT: &str = "format";
const HASH: &str = "hash";
/// The entry with the key of the run that a file belongs to.
pub(crate) const RUN: &str = "run";
/// The name under which safetensors keeps the metadata, and so no tensor's.
const RESERVED: &str = "__metadata__";
/// Bytes of the header's length.
const PREFIX: usize = 8;
/// Longest header that the safetensors libraries accept, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// The name, unique in its file.
    pub name: String,
    /// The extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row major; as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// The content of a tensor file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile {
    /// Texts beside the tensors. `format` and `hash` are set when the file is written, whatever
    /// they are here, and are there after reading.
    pub metadata: BTreeMap<String, String>,
    /// The tensors, in the order in which they lie in the file.
    pub tensors: Vec<NamedTensor>,
}

impl TensorFile {
    /// The key of the content: names, shapes, elements (by their bits) and metadata. The order of
    /// the tensors does not count.
    pub fn key(&self) -> Key {
        content_key(&self.metadata, &self.tensors)
    }

    /// Writes the file atomically and returns its hash. An existing file is replaced.
    ///
    /// # Errors
    ///
    /// [`StoreError::Name`] for a name that is empty, reserved or used twice,
    /// [`StoreError::Shape`] for data that do not fill their shape, [`StoreError::Io`].
    pub fn write(&self, path: &Path) -> Result<Key, StoreError> {
        write_tensors(path, &self.metadata, &self.tensors)
    }

    /// Reads a file and verifies its hash, which is also returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Truncated`], [`StoreError::Format`], [`StoreError::Shape`],
    /// [`StoreError::Metadata`] (no hash) and [`StoreError::Hash`], by what is wrong;
    /// [`StoreError::Io`]. No file, however damaged, makes it panic.
    pub fn read(path: &Path) -> Result<(Self, Key), StoreError> {
        let (mut file, header) = open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(StoreError::io("read", path))?;
        let tensors = header
            .tensors
            .into_iter()
            .map(|(name, info)| {
                let (from, to) = info.data_offsets;
                // The file may have shrunk since its length was taken.
                let bytes = bytes.get(from..to).ok_or_else(|| StoreError::Truncated {
                    path: path.to_owned(),
                    problem: format!("tensor `{name}` is not all there"),
                })?;
                let (elements, _) = bytes.as_chunks::<4>();
                Ok(NamedTensor {
                    name,
                    shape: info.shape,
                    data: elements.iter().map(|e| f32::from_le_bytes(*e)).collect(),
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let content = Self {
            metadata: header.metadata,
            tensors,
        };
        let computed = content.key();
        if computed != header.hash {
            return Err(StoreError::Hash {
                path: path.to_owned(),
                stored: header.hash,
                computed,
            });
        }
        Ok((content, computed))
    }

    /// Reads the metadata and the hash from the header alone. Names and shapes are checked against
    /// the file's length; that the tensors' bytes fit the hash is not.
    ///
    /// # Errors
    ///
    /// As [`TensorFile::read`], without [`StoreError::Hash`].
    pub fn read_metadata(path: &Path) -> Result<(BTreeMap<String, String>, Key), StoreError> {
        let (_, header) = open(path)?;
        Ok((header.metadata, header.hash))
    }
}

/// See [`TensorFile::write`]; by parts, so that large tensors need not be moved into one.
pub(crate) fn write_tensors(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    tensors: &[NamedTensor],
) -> Result<Key, StoreError> {
    check_tensors(path, tensors)?;
    let mut metadata = metadata.clone();
    metadata.insert(FORMAT.to_owned(), "pt".to_owned());
    let hash = content_key(&metadata, tensors);
    metadata.insert(HASH.to_owned(), hash.to_string());
    let mut bytes = serde_json::to_vec(&HeaderText {
        metadata: &metadata,
        tensors,
    })
    .map_err(|error| StoreError::Encode {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    // Padded with spaces, as the format's authors do, to align the tensors.
    bytes.resize(bytes.len().next_multiple_of(PREFIX), b' ');
    let length = (bytes.len() as u64).to_le_bytes();
    bytes.splice(0..0, length);
    bytes.reserve_exact(tensors.iter().map(|tensor| 4 * tensor.data.len()).sum());
    for tensor in tensors {
        bytes.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes()));
    }
    write_atomically(path, &bytes)?;
    Ok(hash)
}

fn check_tensors(path: &Path, tensors: &[NamedTensor]) -> Result<(), StoreError> {
    let mut names = HashSet::new();
    for tensor in tensors {
        let name = &tensor.name;
        let problem = if name.is_empty() {
            Some("a tensor has no name".to_owned())
        } else if name == RESERVED {
            Some(format!("`{RESERVED}` is reserved by the file format"))
        } else if !names.insert(name) {
            Some(format!("two tensors are named `{name}`"))
        } else {
            None
        };
        if let Some(problem) = problem {
            let path = path.to_owned();
            return Err(StoreError::Name { path, problem });
        }
        let elements = tensor
            .shape
            .iter()
            .try_fold(1usize, |product, &extent| product.checked_mul(extent));
        if elements != Some(tensor.data.len()) {
            return Err(StoreError::Shape {
                path: path.to_owned(),
                tensor: name.clone(),
                problem: format!(
                    "has shape {:?} but {} elements",
                    tensor.shape,
                    tensor.data.len()
                ),
            });
        }
    }
    Ok(())
}

fn content_key(metadata: &BTreeMap<String, String>, tensors: &[NamedTensor]) -> Key {
    // `format` is the file format's own, and counts as `pt` whether or not it is set yet.
    let metadata: Vec<_> = metadata
        .iter()
        .filter(|(name, _)| *name != HASH && *name != FORMAT && *name != RUN)
        .collect();
    let mut builder = KeyBuilder::new("tensors/1").number("metadata", metadata.len() as u64);
    for (name, value) in metadata {
        builder = builder.text(name, value);
    }
    let mut tensors: Vec<_> = tensors.iter().collect();
    tensors.sort_by_key(|tensor| &tensor.name);
    builder = builder.number("tensors", tensors.len() as u64);
    for tensor in tensors {
        let shape: Vec<u8> = tensor
            .shape
            .iter()
            .flat_map(|&extent| (extent as u64).to_le_bytes())
            .collect();
        builder = builder
            .text("name", &tensor.name)
            .bytes("shape", &shape)
            .f32s("data", &tensor.data);
    }
    builder.finish()
}

/// The header's JSON: metadata first, then the tensors as they lie in the file.
struct HeaderText<'a> {
    metadata: &'a BTreeMap<String, String>,
    tensors: &'a [NamedTensor],
}

#[derive(Serialize)]
#[serde(untagged)]
enum HeaderEntry<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor(TensorInfo),
}

impl Serialize for HeaderText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut offset = 0;
        let tensors = self.tensors.iter().map(|tensor| {
            let start = offset;
            offset += 4 * tensor.data.len();
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: tensor.shape.clone(),
                data_offsets: (start, offset),
            };
            (tensor.name.as_str(), HeaderEntry::Tensor(info))
        });
        let metadata = (RESERVED, HeaderEntry::Metadata(self.metadata));
        serializer.collect_map(std::iter::once(metadata).chain(tensors))
    }
}

/// A header that has been checked against the length of its file.
struct Header {
    metadata: BTreeMap<String, String>,
    hash: Key,
    /// By offset: each begins where the one before ends, the first at 0.
    tensors: Vec<(String, TensorInfo)>,
}

/// Opens a file and reads its header; the file is left at the first tensor's first byte.
fn open(path: &Path) -> Result<(File, Header), StoreError> {
    let read_error = || StoreError::io("read", path);
    let mut file = File::open(path).map_err(read_error())?;
    let file_len = file.metadata().map_err(read_error())?.len();
    let mut prefix = [0; PREFIX];
    if file_len < PREFIX as u64 {
        // A folder is told by the system's own message.
        file.read(&mut prefix).map_err(read_error())?;
        return Err(StoreError::Truncated {
            path: path.to_owned(),
            problem: format!("it has only {file_len} bytes"),
        });
    }
    file.read_exact(&mut prefix).map_err(read_error())?;
    let header_len = u64::from_le_bytes(prefix);
    if header_len > LONGEST_HEADER {
        return Err(StoreError::Format {
            path: path.to_owned(),
            problem: "it does not begin with a header's length".to_owned(),
        });
    }
    let after_prefix = file_len - PREFIX as u64;
    let Some(data_len) = after_prefix.checked_sub(header_len) else {
        return Err(StoreError::Truncated {
            path: path.to_owned(),
            problem: format!("its header has {after_prefix} bytes of {header_len}"),
        });
    };
    let mut header = vec![0; header_len as usize];
    file.read_exact(&mut header).map_err(read_error())?;
    let header = parse_header(path, &header, data_len)?;
    Ok((file, header))
}

fn parse_header(path: &Path, header: &[u8], actual_len: u64) -> Result<Header, StoreError> {
    let format_error = |problem: String| StoreError::Format {
        path: path.to_owned(),
        problem,
    };
    // Also checks that the tensors follow each other without a gap and that shapes fit offsets.
    let parsed: Metadata = serde_json::from_slice(header)
        .map_err(|error| format_error(format!("its header: {error}")))?;
    let data_len = parsed.data_len();
    if actual_len < data_len as u64 {
        return Err(StoreError::Truncated {
            path: path.to_owned(),
            problem: format!("its tensors have {actual_len} bytes of {data_len}"),
        });
    }
    if actual_len > data_len as u64 {
        let surplus = actual_len - data_len as u64;
        return Err(format_error(format!(
            "{surplus} bytes follow the last tensor"
        )));
    }
    let own = |name: &str| {
        parsed
            .metadata()
            .as_ref()
            .is_some_and(|m| m.contains_key(name))
    };
    if !own(HASH) {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
            problem: foreign(&parsed),
        });
    }
    let mut tensors = Vec::new();
    for name in parsed.offset_keys() {
        let Some(info) = parsed.info(&name) else {
            continue;
        };
        if info.dtype != Dtype::F32 {
            return Err(StoreError::Shape {
                path: path.to_owned(),
                tensor: name,
                problem: format!("has elements of type {}, not F32", info.dtype),
            });
        }
        tensors.push((name, info.clone()));
    }
    // Tensors without elements lie where their neighbours do.
    tensors.sort_by(|(a, one), (b, other)| (one.data_offsets, a).cmp(&(other.data_offsets, b)));
    let metadata: BTreeMap<String, String> = parsed
        .metadata()
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let error = |entry: &str, problem: String| StoreError::Metadata {
        path: path.to_owned(),
        entry: entry.to_owned(),
        problem,
    };
    let entry = |name| {
        let value = metadata.get(name);
        value.ok_or_else(|| error(name, "is missing".to_owned()))
    };
    let hash = entry(HASH)?
        .parse()
        .map_err(|e| error(HASH, format!("is no hash: {e}")))?;
    // The one entry that the hash leaves out.
    if entry(FORMAT)? != "pt" {
        return Err(error(FORMAT, "is not `pt`".to_owned()));
    }
    Ok(Header {
        metadata,
        hash,
        tensors,
    })
}

/// What a safetensors file holds that this program did not write.
fn foreign(parsed: &Metadata) -> String {
    let names = parsed.offset_keys();
    let mut types: Vec<String> = Vec::new();
    for info in names.iter().filter_map(|name| parsed.info(name)) {
        let dtype = info.dtype.to_string();
        if !types.contains(&dtype) {
            types.push(dtype);
        }
    }
    match (names.first(), names.len()) {
        (None, _) => "it holds no tensor".to_owned(),
        (Some(only), 1) => format!("it holds the tensor `{only}` of type {}", types.join(", ")),
        (Some(first), count) => format!(
            "it holds {count} tensors of type {}, the first of them `{first}`",
            types.join(", ")
        ),
    }
}
