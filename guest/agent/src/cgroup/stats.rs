//! Statistics of a container from its control group.

use std::collections::HashMap;
use std::fs;

use super::{Cgroup, keyed};
use crate::r#gen::grpc::{
    BlkioStats, BlkioStatsEntry, CgroupStats, CpuStats, CpuUsage, HugetlbStats, MemoryData, MemoryStats, PidsStats,
    ThrottlingData,
};

/// Everything that the group's files tell. Times are nanoseconds, sizes bytes; "max" becomes the largest number.
pub fn stats(cgroup: &Cgroup) -> CgroupStats {
    CgroupStats {
        cpu_stats: Some(cpu(cgroup)),
        memory_stats: Some(memory(cgroup)),
        pids_stats: Some(PidsStats { current: number(cgroup, "pids.current"), limit: pids_limit(cgroup) }),
        blkio_stats: Some(io(&text(cgroup, "io.stat"))),
        hugetlb_stats: hugetlb(cgroup),
    }
}

fn text(cgroup: &Cgroup, file: &str) -> String {
    cgroup.read(file).unwrap_or_default()
}

fn number(cgroup: &Cgroup, file: &str) -> u64 {
    match text(cgroup, file).trim() {
        "max" => u64::MAX,
        value => value.parse().unwrap_or(0),
    }
}

/// Here the protocol writes 0 for "no limit".
fn pids_limit(cgroup: &Cgroup) -> u64 {
    Some(number(cgroup, "pids.max")).filter(|n| *n != u64::MAX).unwrap_or(0)
}

fn cpu(cgroup: &Cgroup) -> CpuStats {
    let stat = text(cgroup, "cpu.stat");
    let nanoseconds = |key| keyed(&stat, key).unwrap_or(0).saturating_mul(1000);
    CpuStats {
        cpu_usage: Some(CpuUsage {
            total_usage: nanoseconds("usage_usec"),
            // Version 2 of control groups does not count per CPU.
            percpu_usage: Vec::new(),
            usage_in_kernelmode: nanoseconds("system_usec"),
            usage_in_usermode: nanoseconds("user_usec"),
        }),
        throttling_data: Some(ThrottlingData {
            periods: keyed(&stat, "nr_periods").unwrap_or(0),
            throttled_periods: keyed(&stat, "nr_throttled").unwrap_or(0),
            throttled_time: nanoseconds("throttled_usec"),
        }),
    }
}

fn memory(cgroup: &Cgroup) -> MemoryStats {
    let stat = text(cgroup, "memory.stat");
    let events = text(cgroup, "memory.events");
    let swap_events = text(cgroup, "memory.swap.events");
    let stats: HashMap<String, u64> = stat
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(key, value)| Some((key.to_owned(), value.trim().parse().ok()?)))
        .collect();
    let of = |key: &str| stats.get(key).copied().unwrap_or(0);
    // Older kernels have no sum of what the kernel uses.
    let kernel = stats.get("kernel").copied().unwrap_or_else(|| of("kernel_stack") + of("slab") + of("sock"));
    MemoryStats {
        cache: of("file"),
        usage: Some(MemoryData {
            usage: number(cgroup, "memory.current"),
            max_usage: number(cgroup, "memory.peak"),
            failcnt: keyed(&events, "max").unwrap_or(0),
            limit: number(cgroup, "memory.max"),
        }),
        swap_usage: Some(MemoryData {
            usage: number(cgroup, "memory.swap.current"),
            max_usage: number(cgroup, "memory.swap.peak"),
            failcnt: keyed(&swap_events, "max").unwrap_or(0),
            limit: number(cgroup, "memory.swap.max"),
        }),
        kernel_usage: Some(MemoryData { usage: kernel, max_usage: 0, failcnt: 0, limit: 0 }),
        use_hierarchy: true,
        stats,
    }
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`, one line per device.
fn io(text: &str) -> BlkioStats {
    let mut stats = BlkioStats::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let device = words.next().and_then(|word| word.split_once(':'));
        let device = device.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let Some((major, minor)) = device else { continue };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut stats.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut stats.io_service_bytes_recursive, "Write"),
                "dbytes" => (&mut stats.io_service_bytes_recursive, "Discard"),
                "rios" => (&mut stats.io_serviced_recursive, "Read"),
                "wios" => (&mut stats.io_serviced_recursive, "Write"),
                "dios" => (&mut stats.io_serviced_recursive, "Discard"),
                _ => continue,
            };
            let value = value.parse().unwrap_or(0);
            list.push(BlkioStatsEntry { major, minor, op: op.into(), value });
        }
    }
    stats
}

fn hugetlb(cgroup: &Cgroup) -> HashMap<String, HugetlbStats> {
    let pools = fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
    let sizes = pools.filter_map(|entry| size_name(entry.file_name().to_str()?));
    sizes
        .filter_map(|size| {
            let usage = cgroup.read(&format!("hugetlb.{size}.current")).ok()?.trim().parse().unwrap_or(0);
            let events = text(cgroup, &format!("hugetlb.{size}.events"));
            let failcnt = keyed(&events, "max").unwrap_or(0);
            // There is no high-water mark in version 2.
            Some((size, HugetlbStats { usage, max_usage: 0, failcnt }))
        })
        .collect()
}

/// `hugepages-2048kB` is `2MB` in the names of the group's files.
fn size_name(pool: &str) -> Option<String> {
    let kilobytes: u64 = pool.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kilobytes {
        k if k >= 1 << 20 => format!("{}GB", k >> 20),
        k if k >= 1 << 10 => format!("{}MB", k >> 10),
        k => format!("{k}KB"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_lines_become_entries_per_operation() {
        let stats = io("254:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=0 dios=0\n8:16\nbad rbytes=1\n");
        let bytes: Vec<_> = stats.io_service_bytes_recursive.iter().map(|e| (e.major, &*e.op, e.value)).collect();
        assert_eq!(bytes, [(254, "Read", 4096), (254, "Write", 1), (254, "Discard", 0)]);
        assert_eq!(stats.io_serviced_recursive.len(), 3);
    }

    #[test]
    fn pool_names_become_the_names_of_cgroup_files() {
        assert_eq!(size_name("hugepages-2048kB").as_deref(), Some("2MB"));
        assert_eq!(size_name("hugepages-1048576kB").as_deref(), Some("1GB"));
        assert_eq!(size_name("hugepages-64kB").as_deref(), Some("64KB"));
        assert_eq!(size_name("x"), None);
    }
}
