//! Metrics of guest and agent in Prometheus' text format.

use std::fmt::Write;
use std::fs;

const PAGE: u64 = 4096;

/// Answers GetMetrics.
pub fn metrics(containers: usize) -> String {
    let mut out = String::new();
    agent(&mut out, containers);
    load(&mut out);
    memory(&mut out);
    cpu(&mut out);
    network(&mut out);
    disks(&mut out);
    out
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn single(out: &mut String, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    head(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}

fn agent(out: &mut String, containers: usize) {
    single(out, "kata_agent_containers", "gauge", "Containers that exist.", containers);
    let statm = read("/proc/self/statm");
    let pages: Vec<u64> = statm.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    if let [size, resident, ..] = pages[..] {
        single(out, "kata_agent_total_vm", "gauge", "Bytes of the agent's address space.", size * PAGE);
        single(out, "kata_agent_total_rss", "gauge", "Bytes of the agent's resident memory.", resident * PAGE);
    }
    let fds = fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count().saturating_sub(1));
    single(out, "kata_agent_fds", "gauge", "Open files of the agent.", fds);
    let stat = read("/proc/self/stat");
    // The name in parentheses may hold anything; what follows it is counted from the third field.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0) / 100.0;
    single(out, "kata_agent_total_time", "counter", "Processor seconds of the agent.", ticks(11) + ticks(12));
    let threads = fields.get(17).copied().unwrap_or("0");
    single(out, "kata_agent_threads", "gauge", "Threads of the agent.", threads);
}

fn load(out: &mut String) {
    let text = read("/proc/loadavg");
    head(out, "kata_guest_load", "gauge", "Load average of the guest.");
    for (item, value) in ["load1", "load5", "load15"].iter().zip(text.split_whitespace()) {
        let _ = writeln!(out, "kata_guest_load{{item=\"{item}\"}} {value}");
    }
}

fn memory(out: &mut String) {
    head(out, "kata_guest_meminfo", "gauge", "Memory of the guest in bytes.");
    for line in read("/proc/meminfo").lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let Some(value) = rest.split_whitespace().next().and_then(|v| v.parse::<u64>().ok()) else { continue };
        let bytes = if rest.ends_with("kB") { value * 1024 } else { value };
        let item: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let _ = writeln!(out, "kata_guest_meminfo{{item=\"{}\"}} {bytes}", item.to_lowercase());
    }
}

fn cpu(out: &mut String) {
    const ITEMS: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
    head(out, "kata_guest_cpu_time", "counter", "Processor time of the guest in hundredths of a second.");
    for line in read("/proc/stat").lines().filter(|line| line.starts_with("cpu")) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or("cpu");
        let name = if name == "cpu" { "total" } else { &name[3..] };
        for (item, value) in ITEMS.iter().zip(words) {
            let _ = writeln!(out, "kata_guest_cpu_time{{cpu=\"{name}\",item=\"{item}\"}} {value}");
        }
    }
}

fn network(out: &mut String) {
    const ITEMS: [(usize, &str); 8] = [
        (0, "recv_bytes"),
        (1, "recv_packets"),
        (2, "recv_errs"),
        (3, "recv_drop"),
        (8, "sent_bytes"),
        (9, "sent_packets"),
        (10, "sent_errs"),
        (11, "sent_drop"),
    ];
    head(out, "kata_guest_netdev_stat", "counter", "Counters of the guest's network devices.");
    for line in read("/proc/net/dev").lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let values: Vec<&str> = rest.split_whitespace().collect();
        for (index, item) in ITEMS {
            if let Some(value) = values.get(index) {
                let name = name.trim();
                let _ = writeln!(out, "kata_guest_netdev_stat{{interface=\"{name}\",item=\"{item}\"}} {value}");
            }
        }
    }
}

fn disks(out: &mut String) {
    const ITEMS: [(usize, &str); 4] = [(3, "reads"), (5, "sectors_read"), (7, "writes"), (9, "sectors_written")];
    head(out, "kata_guest_diskstat", "counter", "Counters of the guest's block devices.");
    for line in read("/proc/diskstats").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(name) = words.get(2) else { continue };
        for (index, item) in ITEMS {
            if let Some(value) = words.get(index) {
                let _ = writeln!(out, "kata_guest_diskstat{{disk=\"{name}\",item=\"{item}\"}} {value}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        let text = super::metrics(3);
        assert!(text.contains("kata_agent_containers 3\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("kata_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
