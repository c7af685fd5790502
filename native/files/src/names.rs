//! Names that a guest may send: a single entry of the folder that it names by number.

use std::ffi::CStr;
use std::io;

/// Checks that a name is a single path component. A genuine guest kernel sends nothing else; a compromised one might.
///
/// # Errors
///
/// EINVAL when it is not.
pub fn check(name: &CStr) -> io::Result<&CStr> {
    let bytes = name.to_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_entry() {
        for good in [c"a", c"...", c"..a", c".a", c"\xff\xfe", c"a b"] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        for bad in [c"", c".", c"..", c"/", c"a/b", c"../a", c"/etc"] {
            assert_eq!(check(bad).unwrap_err().raw_os_error(), Some(libc::EINVAL), "{bad:?}");
        }
    }
}
