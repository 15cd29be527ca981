//! Virtual disks in the format in which they travel: `streamOptimized`, a sparse disk whose parts are compressed.
//!
//! Layout, in sectors: the header; the descriptor; then the grains that hold something, each behind its marker and
//! compressed, and after those of each table the table itself; the directory of the tables; the footer, which is a header
//! that knows where the directory is; and a sector of zeros, which ends the stream.

use std::io::{self, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::content::{Blob, Upload};
use super::disk::{Disk, SECTOR};

const SIZE: usize = SECTOR as usize;
/// The sectors of a grain, and the grains of a table.
const GRAIN: i64 = 128;
const ENTRIES: i64 = 512;
/// The sectors of the header and the descriptor.
const HEAD: i64 = 9;
/// What follows a marker.
const TABLE: u32 = 1;
const DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;

/// How many tables a disk has.
fn tables(disk: &Disk) -> usize {
    let sectors = disk.capacity / SECTOR;
    usize::try_from((sectors + GRAIN * ENTRIES - 1) / (GRAIN * ENTRIES)).unwrap_or_default()
}

/// The header; the directory is at the end, where the footer says, or at this sector.
fn header(disk: &Disk, directory_at: i64) -> Vec<u8> {
    let mut header = Vec::with_capacity(SIZE);
    header.extend_from_slice(b"KDMV");
    // Version 3, with valid line ends, compressed grains and markers.
    for number in [3_u32, 1 | 1 << 16 | 1 << 17] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    for number in [disk.capacity / SECTOR, GRAIN, 1, HEAD - 1] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header.extend_from_slice(&(ENTRIES as u32).to_le_bytes());
    for number in [0, directory_at, HEAD] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header.push(0);
    header.extend_from_slice(b"\n \r\n");
    header.extend_from_slice(&1_u16.to_le_bytes());
    header.resize(SIZE, 0);
    header
}

/// The header and the descriptor.
fn head(disk: &Disk) -> Vec<u8> {
    let plain = Disk { kind: "thin".into(), parent: None, stream: None, ..disk.clone() };
    let text = plain.descriptor("disk.vmdk").replace("createType=\"vmfs\"", "createType=\"streamOptimized\"");
    let text = text.replace("VMFS \"disk-flat.vmdk\"", "SPARSE \"disk.vmdk\"");
    let mut head = header(disk, -1);
    head.extend_from_slice(text.as_bytes());
    head.resize(HEAD as usize * SIZE, 0);
    head
}

/// A marker of so many sectors of metadata.
fn marker(sectors: usize, kind: u32) -> Vec<u8> {
    let mut marker = Vec::with_capacity(SIZE);
    marker.extend_from_slice(&(sectors as u64).to_le_bytes());
    marker.extend_from_slice(&[0; 4]);
    marker.extend_from_slice(&kind.to_le_bytes());
    marker.resize(SIZE, 0);
    marker
}

/// Numbers as they stand in tables, to full sectors.
fn numbers(numbers: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes.resize(bytes.len().div_ceil(SIZE) * SIZE, 0);
    bytes
}

/// The directory, the footer and the end, for a stream that is so many bytes long before them.
fn tail(disk: &Disk, directory: &[u32], before: u64) -> Vec<u8> {
    let directory = numbers(directory);
    let mut tail = marker(directory.len() / SIZE, DIRECTORY);
    let directory_at = i64::try_from(before / SECTOR as u64).unwrap_or(i64::MAX) + 1;
    tail.extend(directory);
    tail.extend(marker(1, FOOTER));
    tail.extend(header(disk, directory_at));
    tail.resize(tail.len() + SIZE, 0);
    tail
}

/// A disk that holds nothing.
pub(crate) fn empty(disk: &Disk) -> Vec<u8> {
    let mut out = head(disk);
    let tail = tail(disk, &vec![0; tables(disk)], out.len() as u64);
    out.extend(tail);
    out
}

/// A disk with these data, which are shorter than the disk if its end was never written.
pub(crate) fn pack(disk: &Disk, data: &Arc<Blob>, mut out: Upload) -> io::Result<Upload> {
    let sector = |out: &Upload| u32::try_from(out.size() / SECTOR as u64).map_err(io::Error::other);
    out.write(&head(disk))?;
    let mut directory = vec![0_u32; tables(disk)];
    let size = (GRAIN * SECTOR) as usize;
    let mut pieces = data.read(0, u64::try_from(disk.capacity).unwrap_or_default());
    let mut grain: Vec<u8> = Vec::with_capacity(size);
    let mut rest: Vec<u8> = Vec::new();
    for (number, place) in directory.iter_mut().enumerate() {
        let mut table = vec![0_u32; ENTRIES as usize];
        for (at, entry) in table.iter_mut().enumerate() {
            while rest.len() < size
                && let Some(piece) = pieces.next()
            {
                rest.extend_from_slice(&piece?);
            }
            grain.clear();
            grain.extend(rest.drain(..size.min(rest.len())));
            if grain.iter().all(|byte| *byte == 0) {
                continue;
            }
            grain.resize(size, 0);
            *entry = sector(&out)?;
            let first_sector = (number as u64 * ENTRIES as u64 + at as u64) * GRAIN as u64;
            out.write(&packed(&grain, first_sector)?)?;
        }
        if table.iter().any(|entry| *entry != 0) {
            let table = numbers(&table);
            out.write(&marker(table.len() / SIZE, TABLE))?;
            *place = sector(&out)?;
            out.write(&table)?;
        }
    }
    let tail = tail(disk, &directory, out.size());
    out.write(&tail)?;
    Ok(out)
}

/// A grain behind its marker, compressed, to full sectors.
fn packed(grain: &[u8], first_sector: u64) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(grain)?;
    let bytes = encoder.finish()?;
    let mut out = Vec::with_capacity(bytes.len() + SIZE);
    out.extend_from_slice(&first_sector.to_le_bytes());
    out.extend_from_slice(&u32::try_from(bytes.len()).map_err(io::Error::other)?.to_le_bytes());
    out.extend_from_slice(&bytes);
    out.resize(out.len().div_ceil(SIZE) * SIZE, 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;
    use crate::files::content::Scratch;

    fn disk(capacity: i64) -> Disk {
        let uuid = "b95003e9-7241-514a-9ba0-82a06c0d235a".into();
        Disk { capacity, kind: "preallocated".into(), adapter: "lsiLogic".into(), uuid, parent: None, stream: None }
    }

    #[test]
    fn an_empty_stream_is_a_sparse_disk() {
        let bytes = empty(&disk(30 << 20));
        assert_eq!(bytes.len() % 512, 0);
        let read = Disk::parse(&bytes).expect("a sparse disk");
        assert_eq!(
            (read.capacity, read.kind.as_str(), read.adapter.as_str()),
            (30 << 20, "sparseMonolithic", "lsiLogic")
        );
        // The last sector ends the stream, the one before is the footer, which says where the directory is.
        let footer = &bytes[bytes.len() - 1024..];
        assert_eq!((&footer[..4], &footer[512..]), (&b"KDMV"[..], &[0; 512][..]));
        assert_eq!(i64::from_le_bytes(footer[56..64].try_into().expect("eight bytes")), 10);
    }

    /// What a stream holds, read as its format says.
    fn unpack(bytes: &[u8], size: usize) -> Vec<u8> {
        let mut out = vec![0; size];
        let mut at = HEAD as usize * SIZE;
        loop {
            let number = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
            let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().expect("four bytes")) as usize;
            let kind = u32::from_le_bytes(bytes[at + 12..at + 16].try_into().expect("four bytes"));
            if length > 0 {
                let mut grain = Vec::new();
                ZlibDecoder::new(&bytes[at + 12..at + 12 + length]).read_to_end(&mut grain).expect("is compressed");
                let end = size.min(number * SIZE + grain.len());
                out[number * SIZE..end].copy_from_slice(&grain[..end - number * SIZE]);
                at += (12 + length).div_ceil(SIZE) * SIZE;
            } else if kind == 0 {
                assert_eq!(at + SIZE, bytes.len());
                return out;
            } else {
                at += SIZE + number * SIZE;
            }
        }
    }

    #[test]
    fn data_come_back_out_of_a_stream() {
        let size = 40 << 20;
        let mut data = vec![0_u8; size];
        data[5] = 1;
        data[33_600_000..33_700_000].fill(7);
        data[size - 1] = 9;
        let upload = Upload::new(Scratch::new());
        let packed = pack(&disk(size as i64), &Blob::new(data.clone()), upload).expect("is packed").finish();
        let bytes = packed.head(u64::MAX).expect("is read");
        assert!(bytes.len() < 100_000);
        assert!(unpack(&bytes, size) == data);
    }
}
