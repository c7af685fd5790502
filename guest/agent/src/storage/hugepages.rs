//! Reserves huge pages for a hugetlbfs volume.

use std::fs;
use std::sync::{Mutex, PoisonError};

use super::options::MountOptions;
use crate::ttrpc::{Code, Context, Result, Status};

/// Held from reading a pool's size to changing it.
static POOLS: Mutex<()> = Mutex::new(());

/// Adds as many pages to the pool as the options `pagesize=` and `size=` ask for.
pub fn provide(options: &MountOptions) -> Result<()> {
    let of = |key: &str| options.value(key).and_then(bytes);
    let (Some(page), Some(size)) = (of("pagesize"), of("size")) else { return Ok(()) };
    if page < 1024 {
        return Err(Status::invalid(format!("pagesize={page} is no page size")));
    }
    let file = format!("/sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages", page / 1024);
    let _pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let read = || -> Result<u64> {
        let text = fs::read_to_string(&file).context(|| format!("huge pages of {page} bytes: {file}"))?;
        text.trim().parse().context(|| format!("content of {file}"))
    };
    let before = read()?;
    let wanted = before + size.div_ceil(page);
    fs::write(&file, wanted.to_string()).context(|| format!("write {wanted} to {file}"))?;
    // The kernel takes what it can get without an error.
    let got = read()?;
    if got < wanted {
        // What it took would be missed, by a guest that has too little already.
        let _ = fs::write(&file, before.to_string());
        return Err(Status::new(
            Code::ResourceExhausted,
            format!("the guest has memory for {got} huge pages of {page} bytes, {wanted} are needed"),
        ));
    }
    Ok(())
}

/// A number of bytes with an optional K, M or G (and an ignored "i" or "B" behind it).
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[digits..].chars().next().map(|c| c.to_ascii_uppercase()) {
        None | Some('B') => 1,
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some(_) => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        assert_eq!(bytes("2097152"), Some(2 << 20));
        assert_eq!(bytes("2M"), Some(2 << 20));
        assert_eq!(bytes("1Gi"), Some(1 << 30));
        assert_eq!(bytes("x"), None);
    }
}
