//! What is different on an emulated processor.
//!
//! QEMU up to version 7 keeps translated code by its address. A program that is loaded somewhere else each time is
//! translated anew each time, which makes the start of crun cost 60 to 80 ms of emulation instead of 10 to 20. So on an
//! emulated processor, and only there, crun itself is loaded at fixed addresses. What it starts is not: the kernel
//! decides at each program's start, and the agent switches the randomisation off only while crun is being started. (A
//! program of a container that happens to be started in that moment gets fixed addresses, too; emulation is for tests
//! and for machines without virtualisation, and QEMU does not call it a boundary of security.)

use std::fs;

const SWITCH: &str = "/proc/sys/kernel/randomize_va_space";

/// Whether QEMU's emulator executes us.
pub fn is_emulated() -> bool {
    signature() == Some(*b"TCGTCGTCGTCG")
}

#[cfg(target_arch = "x86_64")]
fn signature() -> Option<[u8; 12]> {
    use std::arch::x86_64::__cpuid;
    const HYPERVISOR_BIT: u32 = 1 << 31;
    if __cpuid(1).ecx & HYPERVISOR_BIT == 0 {
        return None;
    }
    let leaf = __cpuid(0x4000_0000);
    let mut name = [0; 12];
    for (part, register) in name.chunks_mut(4).zip([leaf.ebx, leaf.ecx, leaf.edx]) {
        part.copy_from_slice(&register.to_le_bytes());
    }
    Some(name)
}

#[cfg(not(target_arch = "x86_64"))]
fn signature() -> Option<[u8; 12]> {
    None
}

/// While it exists, programs are loaded at fixed addresses.
pub struct FixedAddresses {
    before: String,
}

impl FixedAddresses {
    /// Switches the randomisation off; nothing if that is not possible.
    pub fn begin() -> Option<Self> {
        let before = fs::read_to_string(SWITCH).ok()?;
        fs::write(SWITCH, "0").ok()?;
        Some(Self { before })
    }
}

impl Drop for FixedAddresses {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SWITCH, self.before.trim()) {
            eprintln!("bulkhead-agent: {SWITCH}: {error}");
        }
    }
}
